// What the Glibc module does not declare. Declarations only: no C code, no _GNU_SOURCE (with it the debug build fails
// on fd_set differing from Dispatch's).
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

// glibc declares it under _GNU_SOURCE only.
extern int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
