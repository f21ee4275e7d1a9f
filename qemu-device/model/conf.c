/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.c - the keys that the operator can set, and the file that holds them
 *
 * DOC: One table has every key with its default, its range and what it means;
 * parsing, checking and the text of -h all come from it.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "conf.h"
#include "handle.h"

enum key_kind {
	KEY_U32,
	KEY_U64,
	KEY_POW2, /* u32, a power of two */
	KEY_BOOL,
	KEY_LEVEL,
	KEY_MODE,
	KEY_GROUP,
	KEY_SOCKET,
	KEY_ADDRESS,
	KEY_FABRIC,
};

struct key {
	const char *name;
	enum key_kind kind;
	bool global; /* of [vrdmad] */
	size_t offset;
	uint64_t def, min, max;
	const char *help;
};

#define GLOBAL(field) true, offsetof(struct conf, field)
#define GUEST(field)  false, offsetof(struct guest_conf, field)
#define MIB	      (1ull << 20)

/* clang-format off */
static const struct key keys[] = {
	{ "workers", KEY_U32, GLOBAL(workers), 1, 1, CONF_MAX_WORKERS,
	  "threads that move bytes; guests that connect to each other share one" },
	{ "poll-us", KEY_U32, GLOBAL(poll_us), 50, 0, 1000000,
	  "spin so long without work before worker and control thread sleep" },
	{ "log-level", KEY_LEVEL, GLOBAL(log_level), VL_INFO, 0, 0,
	  "error, warn, info or debug" },
	{ "socket-mode", KEY_MODE, GLOBAL(socket_mode), CONF_UMASK, 0600, 0777,
	  "octal permissions of the sockets, like 0660 (what the umask leaves)" },
	{ "socket-group", KEY_GROUP, GLOBAL(socket_gid), CONF_NO_GID, 0, 0,
	  "group of the sockets; vrdmad must be in it (what the folder gives)" },

	{ "socket", KEY_SOCKET, GUEST(socket), 0, 0, 0,
	  "path of the socket that QEMU's chardev connects to" },
	{ "address", KEY_ADDRESS, GUEST(addr), 0, 0, 0,
	  "RDMA address, IPv4 or IPv6; several: repeat, or separate by commas" },
	{ "fabric", KEY_FABRIC, GUEST(fabric), 0, 0, 0,
	  "the way to other hosts: iwarp, over TCP (iwarp:OPTION=VALUE,...: crc,"
	  " confirm = yes|no, large = auto|always|never, mpa = 2|1), verbs:DEVICE"
	  " (as ibv_devices lists them), or none" },
	{ "local", KEY_BOOL, GUEST(local), 1, 0, 1,
	  "reach guests of this vrdmad memory to memory, not by the fabric" },
	{ "weight", KEY_U32, GUEST(weight), 1, 1, 64,
	  "of the guest's share of a worker that others keep busy, too" },
	{ "num-ceq", KEY_U32, GUEST(num_ceq), 4, 1, 64,
	  "completion-event queues (interrupt vectors)" },
	{ "num-wakeq", KEY_U32, GUEST(num_wakeq), 16, 1, 190,
	  "wake-up queues (doorbells)" },
	{ "max-context", KEY_U32, GUEST(max_context), 1024, 1, HANDLE_MAX,
	  "contexts: processes and kernel consumers" },
	{ "max-pd", KEY_U32, GUEST(max_pd), 1024, 1, HANDLE_MAX,
	  "protection domains" },
	{ "max-cq", KEY_U32, GUEST(max_cq), 16384, 1, HANDLE_MAX,
	  "completion queues" },
	{ "max-mr", KEY_U32, GUEST(max_mr), 65536, 1, HANDLE_MAX,
	  "memory regions" },
	{ "max-mw", KEY_U32, GUEST(max_mw), 65536, 0, HANDLE_MAX,
	  "memory windows; 0: the guest has none" },
	{ "max-frmr-pages", KEY_U32, GUEST(max_frmr_pages),
	  VIRTIO_RDMA_TABLE_ENTRIES, 0, VIRTIO_RDMA_TABLE_ENTRIES,
	  "pages of a fast-register region; 0: the guest has none" },
	{ "max-qp", KEY_U32, GUEST(max_qp), 16384, 1, HANDLE_MAX,
	  "queue pairs" },
	{ "max-srq", KEY_U32, GUEST(max_srq), 4096, 0, HANDLE_MAX,
	  "shared receive queues; 0: the guest is not offered any" },
	{ "max-connector", KEY_U32, GUEST(max_connector), 16640, 1, HANDLE_MAX,
	  "connectors, incoming ones included" },
	{ "max-listener", KEY_U32, GUEST(max_listener), 256, 1, HANDLE_MAX,
	  "listeners" },
	{ "max-endpoint", KEY_U32, GUEST(max_endpoint), 256, 0, HANDLE_MAX,
	  "shared end points of kernel consumers; 0: the guest has none" },
	{ "max-backlog", KEY_U32, GUEST(max_backlog), 128, 1, 65536,
	  "connection requests not yet answered, per listener" },
	{ "max-cq-depth", KEY_POW2, GUEST(max_cq_depth), 262144, 16,
	  VIRTIO_RDMA_MAX_CQ_DEPTH, "entries of a completion queue" },
	{ "max-send-depth", KEY_POW2, GUEST(max_send_depth), 16384, 1,
	  VIRTIO_RDMA_MAX_DEPTH, "entries of a send queue" },
	{ "max-recv-depth", KEY_POW2, GUEST(max_recv_depth), 16384, 1,
	  VIRTIO_RDMA_MAX_DEPTH, "entries of a receive queue" },
	{ "max-srq-depth", KEY_POW2, GUEST(max_srq_depth), 16384, 1,
	  VIRTIO_RDMA_MAX_DEPTH, "entries of a shared receive queue" },
	{ "max-send-sge", KEY_U32, GUEST(max_send_sge), VIRTIO_RDMA_MAX_SGE, 1,
	  VIRTIO_RDMA_MAX_SGE, "scatter elements of a send or write" },
	{ "max-recv-sge", KEY_U32, GUEST(max_recv_sge), VIRTIO_RDMA_MAX_SGE, 1,
	  VIRTIO_RDMA_MAX_SGE, "scatter elements of a receive" },
	{ "max-read-sge", KEY_U32, GUEST(max_read_sge), VIRTIO_RDMA_MAX_SGE, 1,
	  VIRTIO_RDMA_MAX_SGE, "scatter elements of a read" },
	{ "max-inline", KEY_U32, GUEST(max_inline), VIRTIO_RDMA_MAX_INLINE, 0,
	  VIRTIO_RDMA_MAX_INLINE, "bytes of inline data" },
	{ "max-transfer", KEY_U32, GUEST(max_transfer), 1024 * MIB, 4096,
	  2048 * MIB, "bytes of one request" },
	{ "max-inbound-reads", KEY_U32, GUEST(max_inbound_reads), 16, 0, 256,
	  "reads that a peer may have outstanding, per queue pair" },
	{ "max-outbound-reads", KEY_U32, GUEST(max_outbound_reads), 16, 0, 256,
	  "reads that the guest may have outstanding, per queue pair" },
	{ "max-mr-size", KEY_U64, GUEST(max_mr_size), 65536 * MIB, 4096,
	  1ull << 38, "bytes of a memory region" },
	{ "max-mr-pages", KEY_U64, GUEST(max_mr_pages), 20 * MIB, 1024,
	  1ull << 30, "pages in all regions and rings together (8 bytes each here)" },
	{ "disconnect-timeout-ms", KEY_U32, GUEST(disconnect_timeout_ms),
	  10000, 1, 3600000, "until a disconnect that nobody answers fails" },
	{ "connect-timeout-ms", KEY_U32, GUEST(connect_timeout_ms),
	  10000, 1, 3600000, "until a connect or accept that nobody answers fails" },
	{ "rnr-timeout-ms", KEY_U32, GUEST(rnr_timeout_ms), 10000, 0, 3600000,
	  "until a send without a receive at the peer fails; 0: waits for ever" },
	{ "allow-unsealed-memory", KEY_BOOL, GUEST(allow_unsealed_memory), 0, 0, 1,
	  "take guest memory that its owner could shrink (SIGBUS ends vrdmad)" },
};
/* clang-format on */

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static int __attribute__((format(printf, 2, 3)))
conf_error(char err[CONF_ERR_LEN], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, CONF_ERR_LEN, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ----------------------------------------------------------------- defaults */

static void set_number(const struct key *k, void *base, uint64_t v)
{
	void *p = (char *)base + k->offset;

	switch (k->kind) {
	case KEY_U32:
	case KEY_POW2:
	case KEY_MODE:
	case KEY_GROUP:
		*(uint32_t *)p = (uint32_t)v;
		break;
	case KEY_U64:
		*(uint64_t *)p = v;
		break;
	case KEY_BOOL:
		*(bool *)p = v;
		break;
	case KEY_LEVEL:
		*(enum vlog_level *)p = (enum vlog_level)v;
		break;
	case KEY_FABRIC:
		memcpy(p, "iwarp", sizeof("iwarp"));
		break;
	case KEY_SOCKET:
	case KEY_ADDRESS:
		break;
	}
}

void guest_conf_defaults(struct guest_conf *g)
{
	memset(g, 0, sizeof(*g));
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (!keys[i].global)
			set_number(&keys[i], g, keys[i].def);
}

void conf_defaults(struct conf *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (keys[i].global)
			set_number(&keys[i], c, keys[i].def);
}

/* ------------------------------------------------------------------- values */

static int parse_number(const struct key *k, const char *value, uint64_t *out,
			char err[CONF_ERR_LEN])
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(value, &end, 0);
	if (end == value || *end || value[0] == '-')
		return conf_error(
			err,
			"%s = %s: not a number; give one from %" PRIu64
			" to %" PRIu64,
			k->name, value, k->min, k->max);
	if (errno || v < k->min || v > k->max)
		return conf_error(
			err,
			"%s = %s: out of range; give a number from %" PRIu64
			" to %" PRIu64,
			k->name, value, k->min, k->max);
	if (k->kind == KEY_POW2 && (v & (v - 1)))
		return conf_error(err, "%s = %s: not a power of two", k->name,
				  value);
	*out = v;
	return 0;
}

static int parse_bool(const struct key *k, const char *value, uint64_t *out,
		      char err[CONF_ERR_LEN])
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return conf_error(err, "%s = %s: give yes or no", k->name,
				  value);
	*out = value[0] == 'y';
	return 0;
}

static int parse_mode(const struct key *k, const char *value, uint64_t *out,
		      char err[CONF_ERR_LEN])
{
	char *end;
	unsigned long v = strtoul(value, &end, 8);

	if (end == value || *end || value[0] == '-' || v < k->min || v > k->max)
		return conf_error(err,
				  "%s = %s: give octal permissions from 0600 "
				  "to 0777, like 0660",
				  k->name, value);
	*out = v;
	return 0;
}

static int parse_group(const struct key *k, const char *value, uint64_t *out,
		       char err[CONF_ERR_LEN])
{
	const struct group *g = getgrnam(value);
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (g) {
		*out = g->gr_gid;
		return 0;
	}
	if (end == value || *end || value[0] == '-' || v >= CONF_NO_GID)
		return conf_error(err,
				  "%s = %s: no such group on this host; give "
				  "the name or number of one (getent group)",
				  k->name, value);
	*out = v;
	return 0;
}

static int parse_socket(struct guest_conf *g, const char *value,
			char err[CONF_ERR_LEN])
{
	if (g->socket[0])
		return conf_error(err,
				  "socket = %s: the guest has %s already; "
				  "give one socket per guest",
				  value, g->socket);
	if (!value[0] || strlen(value) >= sizeof(g->socket))
		return conf_error(err,
				  "socket = %s: give a path of 1 to %zu bytes",
				  value, sizeof(g->socket) - 1);
	snprintf(g->socket, sizeof(g->socket), "%s", value);
	return 0;
}

static int parse_fabric(struct guest_conf *g, const char *value,
			char err[CONF_ERR_LEN])
{
	static const char verbs[] = "verbs:", iwarp[] = "iwarp:";
	bool ok = strcmp(value, "none") == 0 || strcmp(value, "iwarp") == 0 ||
		  strncmp(value, iwarp, strlen(iwarp)) == 0 ||
		  (strncmp(value, verbs, strlen(verbs)) == 0 &&
		   value[strlen(verbs)]);

	if (!ok || strlen(value) >= sizeof(g->fabric))
		return conf_error(err,
				  "fabric = %s: give iwarp, verbs:DEVICE with a "
				  "device that ibv_devices lists, or none",
				  value);
	snprintf(g->fabric, sizeof(g->fabric), "%s", value);
	return 0;
}

static int add_address(struct guest_conf *g, const char *text,
		       char err[CONF_ERR_LEN])
{
	struct be_addr a;

	if (addr_parse(text, &a))
		return conf_error(
			err,
			"address = %s: not an IPv4 or IPv6 address "
			"(like 10.0.0.1 or fd00::1, no port, no mask)",
			text);
	if (addr_ip_is_any(&a))
		return conf_error(err,
				  "address = %s: the unspecified address "
				  "cannot be a guest's own",
				  text);
	if (g->naddr == VIRTIO_RDMA_MAX_ADDRESSES)
		return conf_error(err, "address = %s: a guest has at most %d",
				  text, VIRTIO_RDMA_MAX_ADDRESSES);
	for (uint32_t i = 0; i < g->naddr; i++)
		if (addr_ip_equal(&g->addr[i], &a))
			return conf_error(err,
					  "address = %s: given twice; remove "
					  "one",
					  text);
	g->addr[g->naddr++] = a;
	return 0;
}

static int parse_addresses(struct guest_conf *g, const char *value,
			   char err[CONF_ERR_LEN])
{
	char copy[CONF_ERR_LEN / 2], *save = NULL, *word;
	int ret = 0, n = 0;

	if (strlen(value) >= sizeof(copy))
		return conf_error(err,
				  "address: the line is too long; repeat the "
				  "key instead");
	snprintf(copy, sizeof(copy), "%s", value);
	for (word = strtok_r(copy, ", \t", &save); word && !ret;
	     word = strtok_r(NULL, ", \t", &save), n++)
		ret = add_address(g, word, err);
	if (!n)
		return conf_error(err,
				  "address: empty; give one like 10.0.0.1");
	return ret;
}

static const struct key *find_key(const char *name, bool global)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (keys[i].global == global && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

bool conf_key_is_global(const char *key)
{
	return find_key(key, true);
}

static int unknown_key(const char *name, bool global, char err[CONF_ERR_LEN])
{
	if (find_key(name, !global))
		return conf_error(err, "%s: belongs into %s", name,
				  global ? "a [guest NAME] section"
					 : "the [vrdmad] section");
	return conf_error(err, "%s: unknown key; vrdmad -h lists them", name);
}

int conf_set(struct conf *c, struct guest_conf *g, const char *name,
	     const char *value, char err[CONF_ERR_LEN])
{
	const struct key *k = find_key(name, !g);
	enum vlog_level level;
	uint64_t v = 0;
	int ret;

	if (!k)
		return unknown_key(name, !g, err);
	if (g && k->kind == KEY_SOCKET)
		return parse_socket(g, value, err);
	if (g && k->kind == KEY_ADDRESS)
		return parse_addresses(g, value, err);
	if (g && k->kind == KEY_FABRIC)
		return parse_fabric(g, value, err);
	switch (k->kind) {
	case KEY_LEVEL:
		if (vlog_level_parse(value, &level))
			return conf_error(err, "%s = %s: give %s", name, value,
					  k->help);
		v = level;
		break;
	case KEY_BOOL:
		ret = parse_bool(k, value, &v, err);
		if (ret)
			return ret;
		break;
	case KEY_MODE:
		ret = parse_mode(k, value, &v, err);
		if (ret)
			return ret;
		break;
	case KEY_GROUP:
		ret = parse_group(k, value, &v, err);
		if (ret)
			return ret;
		break;
	default:
		ret = parse_number(k, value, &v, err);
		if (ret)
			return ret;
		break;
	}
	set_number(k, g ? (void *)g : (void *)c, v);
	return 0;
}

/* -------------------------------------------------------------------- check */

static int check_pair(const struct guest_conf *a, const struct guest_conf *b,
		      char err[CONF_ERR_LEN])
{
	char text[ADDR_STRLEN];

	if (strcmp(a->name, b->name) == 0)
		return conf_error(err, "two guests are called %s; rename one",
				  a->name);
	if (a->socket[0] && strcmp(a->socket, b->socket) == 0)
		return conf_error(err,
				  "guests %s and %s have the same socket %s; "
				  "give each its own",
				  a->name, b->name, a->socket);
	for (uint32_t i = 0; i < a->naddr; i++)
		for (uint32_t j = 0; j < b->naddr; j++)
			if (addr_ip_equal(&a->addr[i], &b->addr[j]))
				return conf_error(
					err,
					"guests %s and %s have the "
					"same address %s; give each its "
					"own",
					a->name, b->name,
					addr_format(&a->addr[i], text));
	return 0;
}

static int check_guest(const struct guest_conf *g, char err[CONF_ERR_LEN])
{
	if (!g->naddr)
		return conf_error(err,
				  "guest %s has no address; add a line like "
				  "'address = 10.0.0.1'",
				  g->name);
	if (!g->local && strcmp(g->fabric, "none") == 0)
		return conf_error(err,
				  "guest %s has local = no and no fabric: it "
				  "could reach nobody; name a fabric",
				  g->name);
	if (g->max_read_sge > g->max_send_sge)
		return conf_error(err,
				  "guest %s: max-read-sge %u is more than "
				  "max-send-sge %u; lower it",
				  g->name, g->max_read_sge, g->max_send_sge);
	return 0;
}

int conf_check(const struct conf *c, char err[CONF_ERR_LEN])
{
	int ret;

	if (!c->guest_count)
		return conf_error(err, "no guest is configured; add a section "
				       "[guest NAME] with socket and address");
	for (uint32_t i = 0; i < c->guest_count; i++) {
		ret = check_guest(&c->guest[i], err);
		for (uint32_t j = 0; j < i && !ret; j++)
			ret = check_pair(&c->guest[j], &c->guest[i], err);
		if (ret)
			return ret;
	}
	return 0;
}

/* --------------------------------------------------------------------- help */

void conf_print_keys(void)
{
	for (int global = 1; global >= 0; global--) {
		printf("  [%s]\n", global ? "vrdmad" : "guest NAME");
		for (size_t i = 0; i < KEY_COUNT; i++) {
			const struct key *k = &keys[i];

			if (k->global != (bool)global)
				continue;
			printf("    %-22s %s", k->name, k->help);
			if (k->kind == KEY_BOOL)
				printf(" (%s)", k->def ? "yes" : "no");
			else if (k->kind == KEY_FABRIC)
				printf(" (iwarp)");
			else if (k->max && k->kind != KEY_MODE)
				printf(" (%" PRIu64 "; %" PRIu64 "..%" PRIu64
				       ")",
				       k->def, k->min, k->max);
			printf("\n");
		}
	}
}
