// Many connections at once, each with one GET.
//   crowd PORT TARGET COUNT             answered once each, then kept open; prints "crowd has COUNT", ends with its standard input
//   crowd PORT TARGETS COUNT NEEDLE     event streams, in turn on the targets, which have commas between; prints the same, then
//                                       when each had NEEDLE in it: JSON, for every target the seconds since 1970 in order
//   crowd serve COUNT                   the least that a server of such streams can do: takes COUNT connections, and for a line on
//                                       its standard input writes one event to each; prints "crowd ready on 127.0.0.1:PORT"
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { room = 1 << 16, carried = 64, at_once = 128, most_targets = 1000 };
struct line { int descriptor, held, answered; double at; char tail[carried]; };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int order(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int serve(int count) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), *lines = calloc((size_t)count, sizeof *lines);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    if (bind(listener, (void *)&name, size) != 0 || listen(listener, 4096) != 0 || getsockname(listener, (void *)&name, &size) != 0)
        return 1;
    printf("crowd ready on 127.0.0.1:%d\n", ntohs(name.sin_port));
    fflush(stdout);
    static char octets[room];
    for (int index = 0; index < count; index++) {
        if ((lines[index] = accept(listener, NULL, NULL)) < 0 || read(lines[index], octets, room) <= 0) return 1;
        if (dprintf(lines[index], "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n") < 0) return 1;
    }
    if (read(0, octets, 1) != 1) return 0;
    memset(octets, 'x', 700);
    memcpy(octets, "event: job.completed\ndata: ", 27);
    memcpy(octets + 698, "\n\n", 2);
    printf("{\"began\": %.6f}\n", now());
    fflush(stdout);
    for (int index = 0; index < count; index++)
        if (write(lines[index], octets, 700) != 700) return 1;
    while (read(0, octets, 1) > 0) {}
    return 0;
}

int main(int count, char **words) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (count == 3 && strcmp(words[1], "serve") == 0) return serve(atoi(words[2]));
    if (count != 4 && count != 5) return 2;
    int wanted = atoi(words[3]), opened = 0, answered = 0, seen = 0, loop = epoll_create1(0), one = 1, told = 0;
    const char *needle = count == 5 ? words[4] : NULL;
    char *targets[most_targets];
    int kinds = 0;
    for (char *target = strtok(words[2], ","); target != NULL && kinds < most_targets; target = strtok(NULL, ",")) targets[kinds++] = target;
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[1])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct line *lines = calloc((size_t)wanted, sizeof *lines);
    struct epoll_event events[256];
    static char octets[carried + room];
    double deadline = now() + 120;
    while (needle == NULL ? !told : seen < wanted) {
        for (; opened < wanted && opened - answered < at_once; opened++) {
            struct line *line = &lines[opened];
            line->descriptor = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(line->descriptor, (void *)&name, sizeof name) != 0) { perror("connect"); return 1; }
            setsockopt(line->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            dprintf(line->descriptor, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", targets[opened % kinds],
                    needle ? "text/event-stream" : "*/*");
            struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = line}};
            epoll_ctl(loop, EPOLL_CTL_ADD, line->descriptor, &event);
        }
        int ready = epoll_wait(loop, events, 256, 1000);
        if (now() > deadline) break;
        for (int index = 0; index < ready; index++) {
            struct line *line = events[index].data.ptr;
            memcpy(octets, line->tail, (size_t)line->held);
            ssize_t taken = read(line->descriptor, octets + line->held, room);
            if (taken <= 0) { fprintf(stderr, "a connection was closed\n"); return 1; }
            size_t size = (size_t)line->held + (size_t)taken;
            if (!line->answered) {
                if (memmem(octets, size, "HTTP/1.1 200", 12) == NULL) { fprintf(stderr, "%.*s\n", (int)size, octets); return 1; }
                line->answered = 1;
                answered++;
            }
            if (needle != NULL && line->at == 0 && memmem(octets, size, needle, strlen(needle)) != NULL) {
                line->at = now();
                seen++;
            }
            line->held = size < carried ? (int)size : carried;
            memcpy(line->tail, octets + size - (size_t)line->held, (size_t)line->held);
        }
        if (answered == wanted && !told) {
            printf("crowd has %d\n", answered);
            fflush(stdout);
            told = 1;
            deadline = now() + 120;
        }
    }
    if (needle == NULL) {
        while (read(0, octets, 1) > 0) {}
        return 0;
    }
    double *times = calloc((size_t)wanted + 1, sizeof *times);
    for (int kind = 0; kind < kinds; kind++) {
        int kept = 0;
        for (int index = kind; index < wanted; index += kinds)
            if (lines[index].at > 0) times[kept++] = lines[index].at;
        qsort(times, (size_t)kept, sizeof *times, order);
        printf(kind == 0 ? "[[" : ", [");
        for (int index = 0; index < kept; index++) printf(index == 0 ? "%.6f" : ", %.6f", times[index]);
        printf("]");
    }
    printf("]\n");
    return 0;
}
