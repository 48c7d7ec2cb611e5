// A print-out from one process to another.
//   copy serve FILE             sends FILE, 64 KiB a read and a write, to whoever connects; prints "copy ready on 127.0.0.1:PORT"
//   copy get PORT TARGET        takes it by HTTP/1.1 and drops it; prints octets and seconds as JSON
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char room[1 << 16];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int serve(const char *path) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    if (bind(listener, (void *)&name, size) != 0 || listen(listener, 16) != 0 || getsockname(listener, (void *)&name, &size) != 0)
        return 1;
    printf("copy ready on 127.0.0.1:%d\n", ntohs(name.sin_port));
    fflush(stdout);
    for (;;) {
        int line = accept(listener, NULL, NULL), file = open(path, O_RDONLY);
        struct stat status;
        if (line < 0 || file < 0 || fstat(file, &status) != 0 || read(line, room, sizeof room) <= 0) return 1;
        dprintf(line, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", (long)status.st_size);
        ssize_t count;
        while ((count = read(file, room, sizeof room)) > 0)
            for (ssize_t sent = 0, more; sent < count; sent += more)
                if ((more = write(line, room + sent, (size_t)(count - sent))) <= 0) return 1;
        close(file);
        close(line);
    }
}

// The body's length is in the head, or its end is that of the connection: chunks are counted with their sizes.
static int get(int port, const char *target) {
    int line = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (connect(line, (void *)&name, sizeof name) != 0) return 1;
    double began = now();
    dprintf(line, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n", target);
    size_t taken = 0;
    int status = 0;
    ssize_t count;
    while ((count = read(line, room, sizeof room)) > 0) {
        if (taken == 0 && count > 12) status = atoi(room + 9);
        taken += (size_t)count;
    }
    double took = now() - began;
    printf("{\"status\": %d, \"octets\": %zu, \"seconds\": %.6f}\n", status, taken, took);
    return 0;
}

int main(int count, char **words) {
    if (count == 3 && strcmp(words[1], "serve") == 0) return serve(words[2]);
    if (count == 4 && strcmp(words[1], "get") == 0) return get(atoi(words[2]), words[3]);
    return 2;
}
