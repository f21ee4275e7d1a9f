/* SPDX-License-Identifier: GPL-2.0-or-later */
/* session_port.c - the sockets that front ends connect to; see session.h */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "loop.h"
#include "session.h"
#include "session_port.h"

struct port {
	struct guest *guest;
	struct loop *loop;
	int fd;			  /* listening, or -1 */
	char path[CONF_PATH_LEN]; /* to be removed, or "" */
	dev_t dev;		  /* of the socket that we made */
	ino_t ino;
	void (*hung_up)(void *arg);
	void *arg;
};

void port_session_ended(struct port *p)
{
	if (p->hung_up)
		p->hung_up(p->arg);
}

static void on_connection(void *arg, int fd, uint32_t events)
{
	struct port *p = arg;
	struct guest *g = p->guest;
	int conn, ret;

	(void)events;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (conn < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			glog(g, VL_WARN, "port: accept: %s", strerror(errno));
		return;
	}
	/* the old one's end may wait behind this in the loop's list */
	if (g->session && session_hung_up(g->session))
		session_close(g->session);
	if (g->session) {
		glog(g, VL_WARN,
		     "port: refused a second front end; one is "
		     "connected");
		close(conn);
		return;
	}
	ret = session_open(p, g, p->loop, conn);
	if (ret) {
		glog(g, VL_WARN, "port: cannot serve the front end: %s",
		     strerror(-ret));
		close(conn);
	}
}

static struct port *port_new(struct guest *g, struct loop *l)
{
	struct port *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->guest = g;
	p->loop = l;
	p->fd = -1;
	return p;
}

static int path_error(char err[SESSION_ERR_LEN], const char *path, int e,
		      const char *mend)
{
	snprintf(err, SESSION_ERR_LEN, "%s: %s; %s", path, strerror(e), mend);
	return -e;
}

/* A socket file that nobody listens on is left over from a process that died */
static int clear_path(const struct sockaddr_un *sa, char err[SESSION_ERR_LEN])
{
	const char *path = sa->sun_path;
	struct stat st;
	int fd, ret;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : path_error(err, path, errno,
						    "give another path");
	if (!S_ISSOCK(st.st_mode))
		return path_error(err, path, EEXIST,
				  "there is a file that is no "
				  "socket; remove it or give another path");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return path_error(err, path, errno, "no descriptor left");
	ret = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? errno
									: 0;
	close(fd);
	if (ret != ECONNREFUSED)
		return path_error(err, path, EADDRINUSE,
				  "another process listens "
				  "there; end it or give another path");
	if (unlink(path) < 0)
		return path_error(err, path, errno,
				  "cannot remove the socket that "
				  "a dead process left; remove it");
	return 0;
}

/* The socket has its permissions from the start, so that there is no moment in
 * which others may connect.  Nothing else here makes a file meanwhile. */
static int bind_with_mode(int fd, const struct sockaddr_un *sa, uint32_t mode)
{
	mode_t old;
	int ret;

	if (mode == CONF_UMASK)
		return bind(fd, (const struct sockaddr *)sa, sizeof(*sa));
	old = umask(0777 & ~mode);
	ret = bind(fd, (const struct sockaddr *)sa, sizeof(*sa));
	umask(old);
	return ret;
}

/* Nobody can connect yet: it does not listen */
static int give_group(const char *path, uint32_t gid, char err[SESSION_ERR_LEN])
{
	char mend[96];

	if (gid == CONF_NO_GID || lchown(path, (uid_t)-1, gid) == 0)
		return 0;
	snprintf(mend, sizeof(mend),
		 "cannot give it to group %u of socket-group; put vrdmad's "
		 "user into that group",
		 gid);
	return path_error(err, path, errno, mend);
}

static int bind_and_listen(struct port *p, const struct sockaddr_un *sa,
			   char err[SESSION_ERR_LEN])
{
	const struct conf *conf = p->guest->model->conf;
	struct stat st;
	int ret;

	if (bind_with_mode(p->fd, sa, conf->socket_mode) < 0)
		return path_error(err, sa->sun_path, errno,
				  "make its folder, or "
				  "give a path that this user may write");
	if (stat(sa->sun_path, &st) == 0) {
		p->dev = st.st_dev;
		p->ino = st.st_ino;
		snprintf(p->path, sizeof(p->path), "%s", sa->sun_path);
	}
	ret = give_group(sa->sun_path, conf->socket_gid, err);
	if (ret)
		return ret;
	if (listen(p->fd, 8) < 0)
		return path_error(err, sa->sun_path, errno, "cannot listen");
	ret = loop_add(p->loop, p->fd, EPOLLIN, on_connection, p);
	return ret ? path_error(err, sa->sun_path, -ret, "cannot watch it") : 0;
}

int port_listen(struct guest *g, struct loop *l, const char *path,
		struct port **out, char err[SESSION_ERR_LEN])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct port *p;
	int ret;

	if (strlen(path) >= sizeof(sa.sun_path))
		return path_error(err, path, ENAMETOOLONG,
				  "give a shorter path");
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ret = clear_path(&sa, err);
	if (ret)
		return ret;
	p = port_new(g, l);
	if (!p)
		return path_error(err, path, ENOMEM, "free some memory");
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = p->fd < 0 ? path_error(err, path, errno, "no descriptor left")
			: bind_and_listen(p, &sa, err);
	if (ret) {
		port_close(p);
		return ret;
	}
	*out = p;
	return 0;
}

static int fd_error(char err[SESSION_ERR_LEN], int fd, int e)
{
	snprintf(err, SESSION_ERR_LEN,
		 "--fd %d: %s; give the number of an "
		 "inherited UNIX stream socket, listening or connected",
		 fd, strerror(e));
	return -e;
}

int port_adopt(struct guest *g, struct loop *l, int fd,
	       void (*hung_up)(void *arg), void *arg, struct port **out,
	       char err[SESSION_ERR_LEN])
{
	int listening = 0, type = 0, domain = 0, ret;
	socklen_t len = sizeof(int);
	struct port *p;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
		return fd_error(err, fd, errno);
	if (domain != AF_UNIX || type != SOCK_STREAM)
		return fd_error(err, fd, EPROTOTYPE);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	p = port_new(g, l);
	if (!p)
		return fd_error(err, fd, ENOMEM);
	if (listening) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		ret = loop_add(l, fd, EPOLLIN, on_connection, p);
		p->fd = ret ? -1 : fd;
	} else {
		p->hung_up = hung_up;
		p->arg = arg;
		ret = session_open(p, g, l, fd);
	}
	if (ret) {
		free(p);
		return fd_error(err, fd, -ret);
	}
	*out = p;
	return 0;
}

/* Only the socket that we made: another process may have put one there */
static void remove_path(const struct port *p)
{
	struct stat st;

	if (p->path[0] && lstat(p->path, &st) == 0 && st.st_dev == p->dev &&
	    st.st_ino == p->ino)
		unlink(p->path);
}

void port_close(struct port *p)
{
	if (p->guest->session) {
		p->hung_up = NULL;
		session_close(p->guest->session);
	}
	if (p->fd >= 0) {
		loop_del(p->loop, p->fd);
		close(p->fd);
	}
	remove_path(p);
	free(p);
}
