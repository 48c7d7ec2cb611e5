// What a disk allows: decks appended to a file, GROUP of them before each fdatasync, nothing else.
//   commit FILE OCTETS GROUP SECONDS      prints one line of JSON
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { most = 10000000 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int order(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    size_t octets = strtoul(words[2], NULL, 10), group = strtoul(words[3], NULL, 10);
    double seconds = strtod(words[4], NULL), *times = malloc(most * sizeof *times);
    char *deck = malloc(octets);
    int file = open(words[1], O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (file < 0 || times == NULL || deck == NULL) return 1;
    memset(deck, 'X', octets);
    size_t commits = 0;
    double began = now(), at = began;
    while (at < began + seconds && commits < most) {
        for (size_t index = 0; index < group; index++)
            if (write(file, deck, octets) != (ssize_t)octets) return 1;
        if (fdatasync(file) != 0) return 1;
        double end = now();
        times[commits++] = end - at;
        at = end;
    }
    qsort(times, commits, sizeof *times, order);
    printf("{\"requests/s\": %.1f, \"p50 ms\": %.4f, \"p99 ms\": %.4f}\n", (double)(commits * group) / (at - began),
           times[commits / 2] * 1e3, times[commits * 99 / 100] * 1e3);
    close(file);
    unlink(words[1]);
    return 0;
}
