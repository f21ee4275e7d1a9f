/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/*
 * ram.c - guest memory: a sealed memfd, in chunks of 64 KiB
 *
 * DOC: NT maps files at multiples of 64 KiB, so every piece that a program may map
 * begins at one.  A chunk that nobody uses any more is punched out of the file,
 * which also makes it read as zeros again.
 */
#include "bottom.h"

static int64_t make_file(void)
{
	int64_t fd = lx(LX_memfd_create, LX_P("vrdma-ram"),
			LX_MFD_CLOEXEC | LX_MFD_SEALING, 0, 0, 0, 0);
	int64_t err;

	if (fd < 0)
		return fd;
	err = lx(LX_ftruncate, fd, (int64_t)WINE_RAM, 0, 0, 0, 0);
	/* vrdmad takes no memory that could vanish under it */
	if (!err)
		err = lx(LX_fcntl, fd, LX_F_ADD_SEALS, LX_F_SEAL_SHRINK, 0, 0,
			 0);
	if (!err)
		return fd;
	lx(LX_close, fd, 0, 0, 0, 0, 0);
	return err;
}

/* "\??\Z:\proc\PID\fd\FD", for NT to make a section of */
static void file_name(const struct wine_bottom *b, WCHAR *out, size_t max)
{
	char text[64];
	size_t i;

	text[sizeof(text) - 1] = 0;
	_snprintf(text, sizeof(text) - 1, "\\??\\Z:\\proc\\%d\\fd\\%d", b->pid,
		  b->ram_fd);
	for (i = 0; i + 1 < max && text[i]; i++)
		out[i] = (WCHAR)(unsigned char)text[i];
	out[i] = 0;
}

static NTSTATUS make_section(struct wine_bottom *b)
{
	WCHAR text[64];
	UNICODE_STRING name;
	OBJECT_ATTRIBUTES oa;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE file;

	file_name(b, text, ARRAY_SIZE(text));
	RtlInitUnicodeString(&name, text);
	InitializeObjectAttributes(&oa, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
	status = ZwCreateFile(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE,
			      &oa, &iosb, NULL, 0,
			      FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN,
			      FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
	if (!NT_SUCCESS(status))
		return status;
	InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
	status = ZwCreateSection(&b->section, SECTION_ALL_ACCESS, &oa, NULL,
				 PAGE_READWRITE, SEC_COMMIT, file);
	ZwClose(file);
	return status;
}

int wine_ram_init(struct wine_bottom *b)
{
	NTSTATUS status;
	int64_t r;

	spin_lock_init(&b->ram_lock);
	b->pid = (int)lx(LX_getpid, 0, 0, 0, 0, 0, 0);
	b->used = kzalloc(WINE_CHUNKS, GFP_KERNEL);
	r = make_file();
	if (r < 0 || !b->used)
		return r < 0 ? (int)r : -ENOMEM;
	b->ram_fd = (int)r;
	r = lx(LX_mmap, 0, (int64_t)WINE_RAM, LX_PROT_RW,
	       LX_MAP_SHARED | LX_MAP_NORESERVE, b->ram_fd, 0);
	if (r < 0 && r > -4096)
		return (int)r;
	b->ram = (u8 *)(uintptr_t)r;
	b->used[0] = WINE_CHUNK_PAGES;
	b->next = 1;
	status = make_section(b);
	if (!NT_SUCCESS(status)) {
		vrl_err(b->dev, "no section of guest memory: %08x",
			(unsigned int)status);
		return -EIO;
	}
	return 0;
}

u32 wine_pages_left;

static void count_what_is_left(const struct wine_bottom *b)
{
	u32 i;

	for (i = 1; b->used && i < WINE_CHUNKS; i++)
		wine_pages_left += b->used[i];
}

void wine_ram_fini(struct wine_bottom *b)
{
	count_what_is_left(b);
	if (b->section)
		ZwClose(b->section);
	if (b->ram)
		lx(LX_munmap, LX_P(b->ram), (int64_t)WINE_RAM, 0, 0, 0, 0);
	if (b->ram_fd > 0)
		lx(LX_close, b->ram_fd, 0, 0, 0, 0, 0);
	kfree(b->used);
}

/* --- chunks ----------------------------------------------------------------------- */

/* ram_lock held: how many free ones follow, at most n */
static u32 free_run(const struct wine_bottom *b, u32 at, u32 n)
{
	u32 i = 0;

	while (i < n && at + i < WINE_CHUNKS && !b->used[at + i])
		i++;
	return i;
}

/* ram_lock held; 0: none.  Two rounds, since the first begins in the middle */
static u32 find_run(struct wine_bottom *b, u32 n)
{
	u32 at = b->next, run, looked = 0;

	while (looked < 2 * WINE_CHUNKS) {
		run = free_run(b, at, n);
		if (run == n)
			return at;
		looked += run + 1;
		at += run + 1;
		if (at >= WINE_CHUNKS)
			at = 1;
	}
	return 0;
}

u64 wine_ram_alloc(struct wine_bottom *b, u64 pages)
{
	u64 n = (pages + WINE_CHUNK_PAGES - 1) / WINE_CHUNK_PAGES;
	unsigned long flags;
	u32 at = 0, i;

	if (!pages || n >= WINE_CHUNKS)
		return 0;
	spin_lock_irqsave(&b->ram_lock, flags);
	at = find_run(b, (u32)n);
	for (i = 0; at && i < n; i++, pages -= b->used[at + i - 1])
		b->used[at + i] = (u8)min_t(u64, pages, WINE_CHUNK_PAGES);
	if (at)
		b->next = at + (u32)n < WINE_CHUNKS ? at + (u32)n : 1;
	spin_unlock_irqrestore(&b->ram_lock, flags);
	return (u64)at * WINE_CHUNK;
}

static void free_in_chunk(struct wine_bottom *b, u32 chunk, u32 pages)
{
	unsigned long flags;
	bool empty;

	/* the hole is made before anybody else can have the chunk */
	spin_lock_irqsave(&b->ram_lock, flags);
	empty = b->used[chunk] == pages;
	if (!empty)
		b->used[chunk] = (u8)(b->used[chunk] - pages);
	spin_unlock_irqrestore(&b->ram_lock, flags);
	if (!empty)
		return;
	lx(LX_fallocate, b->ram_fd, LX_PUNCH_HOLE, (int64_t)chunk * WINE_CHUNK,
	   WINE_CHUNK, 0, 0);
	spin_lock_irqsave(&b->ram_lock, flags);
	b->used[chunk] = 0;
	spin_unlock_irqrestore(&b->ram_lock, flags);
}

void wine_ram_free(struct wine_bottom *b, u64 offset, u64 pages)
{
	u64 page = offset / PAGE_SIZE;

	while (pages) {
		u32 here = (u32)min_t(u64, pages, WINE_CHUNK_PAGES -
						  page % WINE_CHUNK_PAGES);

		free_in_chunk(b, (u32)(page / WINE_CHUNK_PAGES), here);
		page += here;
		pages -= here;
	}
}

/* --- the core's memory, and programs' views of it ------------------------------------ */

bool wine_dma_alloc(struct vrl_dev *dev, struct vrw_dma *dma)
{
	struct wine_bottom *b = dev->bottom_data;
	u64 at = wine_ram_alloc(b, dma->count);
	u32 i;

	if (!at)
		return false;
	dma->va = b->ram + at;
	for (i = 0; i < dma->count; i++)
		dma->pages[i] = WINE_GPA + at + (u64)i * PAGE_SIZE;
	return true;
}

void wine_dma_free(struct vrl_dev *dev, struct vrw_dma *dma)
{
	wine_ram_free(dev->bottom_data, dma->pages[0] - WINE_GPA, dma->count);
}

static NTSTATUS open_process(HANDLE pid, HANDLE *out)
{
	OBJECT_ATTRIBUTES oa;
	CLIENT_ID id = { .UniqueProcess = pid };

	InitializeObjectAttributes(&oa, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
	return ZwOpenProcess(out, 0x1fffff, &oa, &id);
}

NTSTATUS wine_map(struct vrw_map *map, HANDLE pid)
{
	struct wine_bottom *b = map->dma->dev->bottom_data;
	LARGE_INTEGER at = { .QuadPart =
			     (LONGLONG)(map->dma->pages[0] - WINE_GPA) };
	SIZE_T size = (SIZE_T)map->dma->count * PAGE_SIZE;
	HANDLE process;
	NTSTATUS status = open_process(pid, &process);

	if (!NT_SUCCESS(status))
		return status;
	map->va = NULL;
	status = ZwMapViewOfSection(b->section, process, &map->va, 0, 0, &at,
				    &size, ViewUnmap, 0, PAGE_READWRITE);
	ZwClose(process);
	return NT_SUCCESS(status) ? STATUS_SUCCESS : status;
}

/* A process that is gone took its view with it */
void wine_unmap(struct vrw_map *map, HANDLE pid)
{
	HANDLE process;

	if (!NT_SUCCESS(open_process(pid, &process)))
		return;
	ZwUnmapViewOfSection(process, map->va);
	ZwClose(process);
}
