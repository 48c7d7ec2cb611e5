// A receiver of webhooks that is not the bottleneck: one thread, one epoll, 204 to every POST, the count to every GET.
//   cc -O2 -o receiver Benchmarks/peers/receiver.c && ./receiver      prints "receiver ready on 127.0.0.1:PORT"
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { longest = 1 << 17, most = 4096 };
struct peer { size_t held; char octets[longest]; };
static struct peer *peers[most];
static long count;
static double first, last;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Answers every whole request that is held; 0 when the connection is to be closed.
static int answer(int descriptor, struct peer *peer) {
    size_t at = 0;
    static char out[longest];
    size_t written = 0;
    for (;;) {
        char *start = peer->octets + at;
        size_t left = peer->held - at;
        char *end = memmem(start, left, "\r\n\r\n", 4);
        if (end == NULL) break;
        size_t head = (size_t)(end - start) + 4, body = 0;
        *end = 0;
        char *length = strcasestr(start, "\r\ncontent-length:");
        if (length != NULL) body = strtoul(length + 17, NULL, 10);
        *end = '\r';
        if (body > longest || left < head + body) break;
        if (start[0] == 'G') {
            char text[128];
            int size = snprintf(text, sizeof text, "{\"count\":%ld,\"seconds\":%.6f}", count, last - first);
            written += (size_t)snprintf(out + written, sizeof out - written, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, text);
        } else {
            last = now();
            if (count++ == 0) first = last;
            memcpy(out + written, "HTTP/1.1 204 No Content\r\n\r\n", 27);
            written += 27;
        }
        at += head + body;
        if (written > longest / 2) break;
    }
    if (written > 0 && write(descriptor, out, written) != (ssize_t)written) return 0;
    memmove(peer->octets, peer->octets + at, peer->held - at);
    peer->held -= at;
    return peer->held < longest;
}

int main(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), loop = epoll_create1(0), one = 1;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    if (bind(listener, (void *)&name, size) != 0 || listen(listener, 1024) != 0 || getsockname(listener, (void *)&name, &size) != 0)
        return 1;
    printf("receiver ready on 127.0.0.1:%d\n", ntohs(name.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = listener}}, events[256];
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(loop, events, 256, -1);
        for (int index = 0; index < ready; index++) {
            int descriptor = events[index].data.fd;
            if (descriptor == listener) {
                int new = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (new < 0) continue;
                if (new >= most || (peers[new] = calloc(1, sizeof(struct peer))) == NULL) {
                    close(new);
                    continue;
                }
                setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.fd = new;
                epoll_ctl(loop, EPOLL_CTL_ADD, new, &event);
                continue;
            }
            struct peer *peer = peers[descriptor];
            ssize_t got = read(descriptor, peer->octets + peer->held, longest - peer->held);
            if (got > 0) peer->held += (size_t)got;
            if (got <= 0 || !answer(descriptor, peer)) {
                close(descriptor);
                free(peer);
                peers[descriptor] = NULL;
            }
        }
    }
}
