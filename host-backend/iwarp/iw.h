/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iw.h - what the files of the iWARP backend share
 *
 * DOC: A connection has two lives.  Until it is open the control thread owns
 * its socket (setup.c: TCP connect, MPA exchange, the first frame).  From
 * attach() or absent() on the socket is the worker's: rx.c, tx.c and qp.c
 * while there is a queue pair, teardown.c after it was stopped.  So a word of
 * the control thread about an open connection travels as mail, and what the
 * wire says travels back by be_post().  docs/iwarp.md tells the whole story.
 *
 * Three kinds of reference keep a connection: the model's, from the function
 * or upcall that made it until abort(); the worker's, while it has the socket;
 * and that of each message under way.
 */
#ifndef IWARP_IW_H
#define IWARP_IW_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "../backend.h"
#include "crc32c.h"
#include "mpa.h"
#include "rdmap.h"

/* A read more than the guests have, in both directions: it confirms what was
 * sent (qp.c) */
#define IW_EXTRA_READS	1
#define IW_MAX_READS	127	/* siw refuses more than 128 */

#define IW_REQUEST_MS	5000	/* T_req: for a whole MPA Request */
#define IW_FIRST_MS	200	/* T_first: silence that ends our own */
#define IW_LINGER_MS	1000	/* without a sign that our last words arrive */
#define IW_TICK_MS	10	/* looks at what waits to be closed */
#define IW_HOLD_NS	50000	/* an answer waits for company, see tx.c */
#define IW_DEAD_MS	10000	/* unanswered for so long: the peer is dead */
#define IW_HALF_OPEN	128	/* requests not yet whole, per listener */

/* Bytes of one sendmsg() or so, and of the buffer for what it did not take */
#define IW_BATCH_BYTES	131072u
#define IW_BATCH_FPDUS	64u
#define IW_BATCH_IOV	512u
#define IW_BUF_SIZE	(IW_BATCH_BYTES + 1024u)
/* Payload of one of our FPDUs where the peer takes large ones */
#define IW_LARGE	61440u
/* What one queue pair may move in one turn, each way */
#define IW_TURN_BYTES	(512u << 10)

struct iw;
struct be_conn;

/* ------------------------------------------------------------------ options */

enum iw_large { IW_LARGE_AUTO, IW_LARGE_ALWAYS, IW_LARGE_NEVER };

struct iw_opts {
	bool crc;		/* ask for it; an end that asks gets it */
	bool confirm;		/* see qp.c */
	uint8_t revision;	/* of our MPA Requests */
	enum iw_large large;
};

/* conf.c: 0 or -EINVAL with a line in err */
int iw_opts_parse(const char *rest, struct iw_opts *out, char *err,
		  size_t err_size);

/* ------------------------------------------------------------------- buffers */

struct iw_buf {
	struct iw_buf *next;
	uint32_t off;		/* first byte that counts */
	uint32_t len;		/* how many do */
	uint8_t data[IW_BUF_SIZE];
};

/* buf.c, worker.  NULL: no memory */
struct iw_buf *iw_buf_get(struct iw *iw);
void iw_buf_put(struct iw *iw, struct iw_buf *b);
void iw_buf_drop_all(struct iw *iw);

/* --------------------------------------------------------- what epoll names */

struct iw_item {
	void (*event)(struct iw_item *item, uint32_t events);
};

/* ------------------------------------------------------------- setting it up */

/*
 * Steps of a connection before it is open.  Control thread.
 *
 *	active				passive
 *	CONNECTING	TCP		READING		the MPA Request
 *	WAITING		for the Reply	REQUESTED	the model knows it
 *	REPLIED		complete() next	FIRST		the Reply is out; for the
 *							peer's first frame
 *	OPEN		the worker's: qp_connect() follows, or has
 *	OVER		no socket; the model has not called abort() yet
 */
enum iw_step {
	IW_CONNECTING,
	IW_WAITING,
	IW_REPLIED,
	IW_READING,
	IW_REQUESTED,
	IW_FIRST,
	IW_OPEN,
	IW_OVER,
	IW_STEP_COUNT
};

struct iw_setup {
	struct iw_item item;
	enum iw_step step;
	void *cm;
	bool gone;			/* abort() was called: no upcall */
	bool last_heard;		/* rejected, unreachable or aborted */
	bool disconnect_heard;
	bool disconnect_said;
	struct be_listener *listener;	/* READING */
	TAILQ_ENTRY(be_conn) link;	/* in the listener's list */
	struct be_timer *timer;
	struct be_addr peer;		/* passive */
	bool reply_acked;
	bool ready_said;		/* active: before COMPLETE_CONNECT */
	struct be_read_limits limits;	/* active: as asked for */
	struct mpa_frame frame;		/* ours (active), or the Request */
	uint8_t in[MPA_MAX_FRAME];
	uint32_t got, want;
};

/* ------------------------------------------------------------------ the wire */

/* A send request that is out, or is to go out; in the order of the queue */
struct iw_sqe {
	struct be_wr *wr;
	uint32_t msn;		/* of a Send or Read */
	bool done;		/* status may be told when its turn comes */
	uint8_t status;		/* enum virtio_rdma_wc_status */
};

/* A Read of ours that is not answered whole */
struct iw_outread {
	struct be_wr *wr;	/* NULL: only confirms */
	uint32_t upto;		/* requests before it, by count */
	uint32_t stag;		/* of the sink, as we named it */
	uint32_t size;
	uint32_t done;
};

/* A Read of the peer's that is to be answered */
struct iw_inread {
	uint32_t sink_stag;
	uint64_t sink_to;
	uint32_t size;
	uint32_t done;
	uint32_t stag;
	uint64_t to;
};

enum iw_rx_state { IW_RX_HEADER, IW_RX_PAYLOAD, IW_RX_TRAILER };

/* Where the payload goes */
enum iw_sink { IW_SINK_NONE, IW_SINK_REMOTE, IW_SINK_RECV, IW_SINK_READ };

struct iw_rx {
	enum iw_rx_state state;
	enum iw_sink sink;
	struct iw_buf *buf;		/* read, not parsed; NULL: nothing */
	bool bulk;			/* the last FPDU was a long one */
	bool any;			/* something whole has come */
	struct rdmap_header h;
	uint8_t raw[RDMAP_MAX_HEADER];	/* the same as it came */
	uint32_t done;			/* payload bytes of this FPDU */
	uint32_t crc;
	uint32_t msn_send, msn_read;	/* expected next */
	struct be_wr *rwr;		/* receive that is being filled */
	uint32_t mo;			/* bytes in it */
	uint8_t send_opcode;		/* of that message */
	bool held;			/* a Send without a receive: stop reading */
	uint64_t held_until;		/* ns; 0: without end */
	uint8_t term[RDMAP_MAX_TERMINATE];	/* payload of one that comes */
};

struct iw_tx {
	struct iw_buf *out;		/* what the socket did not take yet */
	bool failed;			/* it takes no more */
	/* what is being sent, in segments: a request, or an answer */
	struct be_wr *next;		/* taken, not begun */
	struct be_wr *wr;
	uint32_t off;
	bool answering;			/* in the middle of the oldest inread */
	bool turn;			/* who goes first when both may */
	bool stuck;			/* a request failed here; see qp.c */
	bool replies;			/* requests of ours follow the peer's */
	uint64_t alone_at;		/* when an answer went alone; 0: it did not */
	uint64_t held_until;		/* ns, of one that is held; 0: none is */
	bool is_holding;		/* in iw.holding */
	uint32_t msn_send, msn_read;	/* next */
};

struct iw_wire {
	struct iw_item item;
	/* negotiated; constant once open */
	bool crc;
	bool ours;			/* the peer is one of us */
	bool maybe_siw;			/* or could be siw: docs/iwarp.md */
	bool confirm;
	bool active;
	bool large;
	uint32_t ird, ord;

	/* worker only, from attach() on */
	struct be_qp *qp;		/* NULL after stop() */
	bool known;			/* the worker has it */
	uint32_t payload;		/* of one FPDU, at most */
	bool readable, writable;	/* as the edges said */
	bool ending;			/* they have said so: read to the end */
	uint64_t kick_at;		/* ns; 0: no more */
	unsigned int kicks;
	struct iw_rx rx;
	struct iw_tx tx;
	struct iw_sqe *sqe;		/* a ring of window */
	uint32_t window;		/* power of two */
	uint32_t taken, sent, ended;	/* free-running */
	struct iw_outread *out;		/* ord of them */
	uint32_t out_head, out_len;
	struct iw_inread *in;		/* ird of them */
	uint32_t in_head, in_len;
	uint32_t unconfirmed;		/* sends and writes since the last Read */
	bool confirming;		/* a Read that only confirms is out */

	/* the end; teardown.c */
	bool eof;			/* the peer's FIN, where it may be */
	bool dead;			/* nothing of the peer counts any more */
	bool lost;			/* nor can it be told anything */
	bool fin_wanted, fin_sent;
	bool term_sent;			/* or in tx.out */
	bool aborted;			/* the model has let go */
	bool closed;			/* nothing is left but mail */
	uint64_t linger_until;		/* ns; 0: not yet */
	uint64_t linger_end;		/* ns: whatever signs there are */
	uint32_t unacked;		/* at the last look */
	uint64_t patience;		/* ns: of a peer that asks a queue pair which
					 * was stopped; 0: without end */
	bool asked;			/* it does */
	TAILQ_ENTRY(be_conn) all;
	TAILQ_ENTRY(be_conn) busy;	/* stopped, and more to read */
	bool is_busy;
	TAILQ_ENTRY(be_conn) holding;	/* tx.held_until */
	TAILQ_ENTRY(be_conn) closing;	/* waits for the tick */
	bool is_closing;
};

/* Why the wire ended, from worker to control */
struct iw_ending {
	bool by_terminate;
	uint8_t code;			/* IW_CODE_xxx, or a foreign one: 0 */
	enum virtio_rdma_reason reason;	/* else */
};

struct be_conn {
	/* constant after create */
	struct iw *iw;
	bool passive;
	atomic_uint refs;
	int fd;				/* whose it is says s.step */

	/* control thread only */
	struct iw_setup s;

	/* any thread, under iw->lock */
	STAILQ_ENTRY(be_conn) mail;
	bool mailed;
	/* any thread */
	atomic_uint said;		/* IW_SAID_xxx, and a reason */

	/* worker only, once open; control before */
	struct iw_wire w;

	/* worker, then control: written before the be_post() that tells */
	struct iw_ending ending;
	bool disconnect_posted, ending_posted;
};

#define IW_SAID_DISCONNECT	1u
#define IW_SAID_ABORT		2u
#define IW_SAID_REASON(r)	((unsigned int)(r) << 8)

/* What one of us tells another in the code of an RDMA local catastrophic error,
 * where RFC 5040 4.8 allows any: a reason, or that the connection is not wanted
 * (private data of the reject in rdmap_terminate.extra). */
#define IW_CODE_REASON(r)	((uint8_t)(0xa0u | (r)))
#define IW_CODE_REJECT		0xb0u

TAILQ_HEAD(iw_conns, be_conn);
STAILQ_HEAD(iw_mail, be_conn);
TAILQ_HEAD(iw_listeners, be_listener);

/* ----------------------------------------------------------------- the fabric */

/* FPDUs that go out together; scratch of one turn */
struct iw_batch {
	uint32_t iovs, fpdus;
	size_t bytes;
	struct iovec iov[IW_BATCH_IOV];
	size_t copied;		/* of copies; all payload fits */
	uint8_t copies[IW_BATCH_BYTES];
	struct {
		uint8_t header[RDMAP_MAX_HEADER];
		uint8_t trailer[RDMAP_MAX_TRAILER + 1];
	} small[IW_BATCH_FPDUS];
};

struct be_listener {
	struct iw_item item;
	struct iw *iw;
	TAILQ_ENTRY(be_listener) link;
	struct be_addr addr;
	void *lst;
	int fd;
	bool watched;
	struct be_timer *retry;		/* out of descriptors: later */
	struct iw_conns reading;
	uint32_t half_open;
};

struct iw {
	struct backend be;		/* first */
	/* constant after create */
	char name[80];
	struct iw_opts opts;
	const struct be_cm_events *ev;

	/* control thread only */
	int ctl_epoll;
	struct iw_listeners listeners;

	/* any thread */
	pthread_mutex_t lock;
	uint64_t log_second;		/* under lock, and the lines in it */
	uint32_t log_lines;
	struct iw_mail mail;		/* under lock */
	atomic_bool has_mail;
	int mail_fd;			/* in epoll */

	/* worker only */
	int epoll;
	int tick_fd;			/* in epoll */
	bool ticking;
	struct iw_conns all, busy, closing;
	struct iw_conns holding;	/* in the order of their ends */
	bool hold_none;			/* the worker is about to sleep */
	uint32_t watched;		/* sockets in epoll */
	struct iw_buf *bufs;
	uint32_t buf_count;
	struct iw_batch batch;
	uint32_t stag;			/* the last that named a sink */
	struct iovec pieces[IW_BATCH_IOV];
	uint8_t trash[65536];
};

static inline struct iw *iw_of(struct backend *be)
{
	return (struct iw *)(void *)be;	/* the first member */
}

static inline struct be_conn *iw_conn_of(struct iw_wire *w)
{
	return be_container(w, struct be_conn, w);
}

/* conn.c, any thread.  new: NULL without memory; one reference, the caller's */
struct be_conn *iw_conn_new(struct iw *iw, bool passive);
struct be_conn *iw_conn_get(struct be_conn *c);
void iw_conn_put(struct be_conn *c);
/* Control: the rings that c->w.ird, ord and the queue pair ask for; 0, -ENOMEM */
int iw_conn_rings(struct be_conn *c, const struct be_qp *qp);

/* As many Reads siw has out when it was told so many: it rounds up */
uint32_t iw_siw_reads(uint32_t told);

/* sock.c, any thread */
int iw_socket(uint8_t family);		/* or -errno */
int iw_bind(int fd, const struct be_addr *a);
int iw_connect_to(int fd, const struct be_addr *a);
int iw_accept(int listener, struct be_addr *peer);	/* or -errno */
void iw_local_addr(int fd, struct be_addr *out);
/* What each connection has, see docs/iwarp.md; a close is a reset from then */
void iw_sock_init(int fd);
void iw_sock_user_timeout(int fd, uint32_t ms);
void iw_sock_close_reset(int fd);
/* The peer gets what was sent, then FIN; what it sent itself is thrown away */
void iw_sock_close_gently(int fd);
/* Bytes that the peer has not acknowledged, FIN included */
uint32_t iw_sock_unacked(int fd);
/* TCP's segment size now */
uint32_t iw_sock_mss(int fd);
/* Whole or not at all: control frames into an empty socket.  0 or -errno */
int iw_sock_send_all(int fd, const void *p, size_t len);
/* The connection is over, or half of it */
bool iw_sock_is_down(int fd);
const char *iw_addr_text(const struct be_addr *a, char buf[64]);

/* log.c, any thread: at most some lines a second, as guests and peers cause them */
void iw_log(struct iw *iw, enum be_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* frames.c: whole FPDUs without payload in guest memory.  Bytes of it */
#define IW_MAX_FRAME (RDMAP_UNTAGGED + RDMAP_MAX_TERMINATE + RDMAP_MAX_TRAILER)
size_t iw_frame_seal(uint8_t *fpdu, size_t len, bool crc);	/* adds pad, CRC */
size_t iw_frame_write(uint8_t out[IW_MAX_FRAME], bool crc);	/* zero-length */
size_t iw_frame_read(uint8_t out[IW_MAX_FRAME], uint32_t msn, uint32_t stag,
		     bool crc);					/* zero-length */
size_t iw_frame_answer(uint8_t out[IW_MAX_FRAME], uint32_t stag, uint64_t to,
		       bool crc);				/* zero-length */
size_t iw_frame_terminate(uint8_t out[IW_MAX_FRAME],
			  const struct rdmap_terminate *t, bool crc);

/* listen.c, control */
int iw_listen(struct backend *be, const struct be_addr *addr, uint32_t backlog,
	      void *lst, struct be_listener **out);
void iw_unlisten(struct be_listener *l);
void iw_half_open_done(struct be_conn *c);	/* leaves READING */

/* reserve.c, control */
int iw_reserve(struct backend *be, const struct be_addr *addr,
	       struct be_reserved **out);
void iw_unreserve(struct be_reserved *r);

/* setup.c, control */
int iw_connect(struct backend *be, const struct be_request *req,
	       struct be_qp *qp, void *cm, struct be_conn **out);
int iw_complete(struct be_conn *c);
void iw_setup_event(struct iw_item *item, uint32_t events);
void iw_setup_close(struct be_conn *c, bool gently);	/* -> OVER */
void iw_setup_kick(struct be_conn *c);	/* before that, see setup.c */
void iw_setup_watch(struct be_conn *c, uint32_t events);
void iw_setup_unwatch(struct be_conn *c);
int iw_setup_read(struct be_conn *c, bool reply, struct mpa_frame *out);
void iw_setup_ended(struct be_conn *c, enum virtio_rdma_reason reason);
extern const char *const iw_step_name[IW_STEP_COUNT];

/* answer.c, control: the passive side */
void iw_answer_begin(struct be_conn *c);
void iw_answer_event(struct be_conn *c, uint32_t events);
int iw_answer(struct be_conn *c, const struct be_read_limits *limits,
	      const struct be_private *priv, struct be_qp *qp);
int iw_refuse(struct be_conn *c, const struct be_private *priv);

/* cm.c, control: once open */
int iw_disconnect(struct be_conn *c);
void iw_abort(struct be_conn *c, enum virtio_rdma_reason reason);
/* Worker: what the wire said */
void iw_tell_disconnected(struct be_conn *c);
void iw_tell_ended(struct be_conn *c, enum virtio_rdma_reason reason);
void iw_tell_terminated(struct be_conn *c, uint8_t code);

/* worker.c */
int iw_worker_init(struct iw *iw);
void iw_worker_fini(struct iw *iw);	/* control; the worker is gone */
void iw_attach(struct be_conn *c, struct be_qp *qp);
void iw_absent(struct be_conn *c);
bool iw_run(struct be_conn *c);
void iw_stop(struct be_conn *c);
bool iw_poll(struct backend *be);
void iw_arm(struct backend *be);
int iw_poll_fd(const struct backend *be);
/* Any thread: the worker shall look at c->said */
void iw_mail(struct be_conn *c);
void iw_busy(struct be_conn *c);
void iw_closing(struct be_conn *c);

/* Requests may be taken for it and memory reached */
static inline bool iw_is_live(const struct be_conn *c)
{
	return c->w.qp && !c->w.dead && be_qp_open(c->w.qp);
}

/* rx.c, worker.  Reads and places; true: there is more to do.  Without a queue
 * pair everything is read and forgotten. */
bool iw_rx_turn(struct be_conn *c);

/* rx_sink.c, worker */
enum iw_open {
	IW_OPENED,	/* rx.sink is set */
	IW_HELD,	/* not now: the segment waits in front of us */
	IW_REFUSED,	/* iw_fail() was called */
};
/* The segment rx.h begins: the checks that need state */
enum iw_open iw_sink_open(struct be_conn *c);
/* Where its next bytes go, at most max and *count pieces; how many bytes.  0:
 * they are thrown away, and whoever had to be told was told. */
size_t iw_sink_pieces(struct be_conn *c, size_t max, struct iovec *iov,
		      uint32_t *count);
/* So many of the last ones were not filled */
void iw_sink_unused(struct be_conn *c, size_t bytes);
/* It is whole and good */
void iw_sink_deliver(struct be_conn *c);

/* tx.c, worker.  Sends what there is; true: there is more to do */
bool iw_tx_turn(struct be_conn *c);
/* What is left over from before; true: nothing */
bool iw_tx_flush(struct be_conn *c);
/* An answer that is held goes out now, if any way */
void iw_tx_release(struct be_conn *c);
void iw_tx_unhold(struct be_conn *c);
/* Those whose time has come, or all, are sent by the next turn; true: some */
bool iw_tx_end_holds(struct iw *iw, bool all);
/* Whole FPDUs behind what is under way.  False: no memory, or no way */
bool iw_tx_put(struct be_conn *c, const void *p, size_t len);

/* qp.c, worker */
/* The request that comes next, taken or not yet; NULL: none */
struct be_wr *iw_sq_next(struct be_conn *c);
bool iw_sq_may_begin(const struct be_conn *c, const struct be_wr *wr);
/* It is the Send of that number, for iw_sq_blamed() */
void iw_sq_number(struct be_conn *c, uint32_t msn);
/* It has no message and was executed: ends so, when its turn has come */
void iw_sq_executed(struct be_conn *c, enum virtio_rdma_wc_status status);
/* The STag that goes out for a token: hardware refuses 0 even where it looks at
 * none */
static inline uint32_t iw_stag(uint32_t token)
{
	return token ? token : 1;
}

static inline bool iw_is_send(const struct be_wr *wr)
{
	return wr->opcode == VIRTIO_RDMA_OP_SEND ||
	       wr->opcode == VIRTIO_RDMA_OP_SEND_INVALIDATE;
}
/* All of it is in TCP's hands */
void iw_sq_sent(struct be_conn *c);
/* A Read Request is; returns what its answer must look like */
struct iw_outread *iw_sq_asked(struct be_conn *c, struct be_wr *wr);
/* This one ends so as soon as those before it have */
void iw_sq_failed(struct be_conn *c, struct be_wr *wr,
		  enum virtio_rdma_wc_status status);
bool iw_sq_wants_confirm(const struct be_conn *c);
struct iw_outread *iw_sq_confirm(struct be_conn *c);
/* Tells the model of those whose turn it is */
void iw_sq_complete(struct be_conn *c);
struct iw_outread *iw_out_oldest(struct be_conn *c);
void iw_out_done(struct be_conn *c);
/* False: more than was agreed */
bool iw_in_room(const struct be_conn *c);
void iw_in_add(struct be_conn *c, const struct rdmap_header *h);
struct iw_inread *iw_in_oldest(struct be_conn *c);
void iw_in_done(struct be_conn *c);
/* The peer's Terminate, if it blames a request of ours: the one that it means
 * ends so, or else the queue pair fails.  False: it blames none */
bool iw_sq_blamed(struct be_conn *c, const struct rdmap_terminate *t);

/* teardown.c, worker */
void iw_word(struct be_conn *c);	/* look at c->said */
/* The segment at rx.raw is wrong: Terminate, and the queue pair fails */
void iw_fail(struct be_conn *c, struct rdmap_error e);
/* The same without a segment */
void iw_fail_plain(struct be_conn *c, struct rdmap_error e);
void iw_peer_closed(struct be_conn *c);		/* FIN between two FPDUs */
void iw_peer_lost(struct be_conn *c, int err);	/* any other end; 0: FIN */
void iw_peer_terminated(struct be_conn *c, size_t len);
void iw_drain(struct be_conn *c);	/* whatever there is without a queue pair */
void iw_tick(struct be_conn *c);
void iw_forget(struct be_conn *c, bool gently);	/* closes; c may be gone */

#endif /* IWARP_IW_H */
