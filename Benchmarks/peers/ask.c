// The same HTTP request again and again over CONNECTIONS, to a port of loopback or, with a slash in it, to a Unix socket.
//   ask PLACE REQUEST-FILE CONNECTIONS SECONDS       prints one line of JSON; an answer that is not 2xx ends it
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { room = 1 << 18, most = 1 << 20 };
struct asker { pthread_t thread; double *times; long count; };
static const char *place;
static char request[room];
static size_t request_octets;
static double deadline;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "ask: %.500s\n", what);
    exit(1);
}

static int dial(void) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(place)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int isPath = strchr(place, '/') != NULL, one = 1, line = socket(isPath ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    if (isPath) snprintf(path.sun_path, sizeof path.sun_path, "%s", place);
    else setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(line, isPath ? (void *)&path : (void *)&port, isPath ? sizeof path : sizeof port) != 0) fail("connect");
    return line;
}

// One whole answer; 0 when the server closes behind it.
static int answer(int line, char *octets) {
    size_t held = 0, whole = 0;
    int stays = 1;
    while (whole == 0 || held < whole) {
        ssize_t taken = held < room - 1 ? read(line, octets + held, room - 1 - held) : 0;
        if (taken <= 0) fail(whole == 0 ? "no answer" : "an answer cut short or too long");
        held += (size_t)taken;
        octets[held] = 0;
        char *end = whole == 0 ? strstr(octets, "\r\n\r\n") : NULL;
        if (end == NULL) continue;
        if (octets[9] != '2') fail(octets);
        char *length = strcasestr(octets, "\r\ncontent-length:"), *closes = strcasestr(octets, "\r\nconnection: close");
        if (length == NULL || length > end) fail("no length");
        stays = closes == NULL || closes > end;
        whole = (size_t)(end - octets) + 4 + strtoul(length + 17, NULL, 10);
    }
    return stays;
}

static void *run(void *pointer) {
    struct asker *asker = pointer;
    char *octets = malloc(room);
    int line = -1;
    while (now() < deadline && asker->count < most) {
        double began = now();
        if (line < 0) line = dial();
        if (write(line, request, request_octets) != (ssize_t)request_octets) fail("write");
        if (!answer(line, octets)) {
            close(line);
            line = -1;
        }
        asker->times[asker->count++] = now() - began;
    }
    free(octets);
    return NULL;
}

static int order(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    place = words[1];
    FILE *file = fopen(words[2], "r");
    if (file == NULL || (request_octets = fread(request, 1, room, file)) == 0) return 1;
    int connections = atoi(words[3]);
    double began = now();
    deadline = began + strtod(words[4], NULL);
    struct asker *all = calloc((size_t)connections, sizeof *all);
    for (int index = 0; index < connections; index++) {
        all[index].times = calloc(most, sizeof(double));
        pthread_create(&all[index].thread, NULL, run, &all[index]);
    }
    long total = 0;
    double *times = calloc((size_t)connections * most, sizeof *times);
    for (int index = 0; index < connections; index++) {
        pthread_join(all[index].thread, NULL);
        memcpy(times + total, all[index].times, (size_t)all[index].count * sizeof *times);
        total += all[index].count;
    }
    double took = now() - began;
    qsort(times, (size_t)total, sizeof *times, order);
    printf("{\"requests/s\": %.1f, \"p50 ms\": %.4f, \"p99 ms\": %.4f}\n", (double)total / took, times[total / 2] * 1e3,
           times[total * 99 / 100] * 1e3);
    return 0;
}
