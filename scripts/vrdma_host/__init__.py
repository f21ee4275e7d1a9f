# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator's host needs to know of vRDMA: vrdmad's configuration, a
guest's libvirt domain, and whether the host is ready for both."""
