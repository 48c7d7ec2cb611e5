// A PRIV-RJE station without a gateway: hands jobs in, waits for their end, takes and drops their print-out, one after the other in
// each session. Nothing is stored; session n signs on as DIRn.
//   direct PORT SESSIONS SECONDS DECK      prints one line of JSON
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { room = 1 << 16, longest_word = 32, most_files = 64, most_jobs = 1 << 20, most_ended = 256 };
struct session {
    pthread_t thread;
    int number, line;
    char octets[room];
    size_t held, at;
    char ended[most_ended][longest_word]; // the last jobs that ended: a notice may come before the answer that names its job
    int next;
    long jobs;
    double *times;
};
static int port;
static double deadline;
static char deck[room];
static size_t deck_octets;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    fprintf(stderr, "direct: %s\n", what);
    exit(1);
}

static void fill(struct session *s) {
    memmove(s->octets, s->octets + s->at, s->held - s->at);
    s->held -= s->at;
    s->at = 0;
    if (s->held == room) fail("a line too long");
    ssize_t count = read(s->line, s->octets + s->held, room - s->held);
    if (count <= 0) fail("the host hung up");
    s->held += (size_t)count;
}

// The next line, ended by 0; it stands until the next call.
static char *line(struct session *s) {
    for (;;) {
        char *end = memchr(s->octets + s->at, '\n', s->held - s->at);
        if (end != NULL) {
            char *begin = s->octets + s->at;
            s->at = (size_t)(end - s->octets) + 1;
            *end = 0;
            return begin;
        }
        fill(s);
    }
}

static void word(const char *text, const char *name, char *into) {
    const char *found = strstr(text, name);
    if (found == NULL) fail(text);
    found += strlen(name);
    size_t length = strcspn(found, " \r");
    if (length >= longest_word) fail(text);
    memcpy(into, found, length);
    into[length] = 0;
}

// The next line that is no notice; a notice of a job's end is noted.
static char *answer(struct session *s, const char *code) {
    for (;;) {
        char *text = line(s);
        if (text[0] == '*') {
            if (strncmp(text, "* 261", 5) == 0 || strncmp(text, "* 463", 5) == 0) {
                word(text, " JOB=", s->ended[s->next]);
                s->next = (s->next + 1) % most_ended;
            }
            if (code == NULL) return text;
            continue;
        }
        if (code == NULL || strncmp(text, code, strlen(code)) != 0) fail(text);
        return text;
    }
}

static int has_ended(const struct session *s, const char *job) {
    for (int index = 0; index < most_ended; index++)
        if (strcmp(s->ended[index], job) == 0) return 1;
    return 0;
}

static void tell(struct session *s, const char *text) {
    size_t length = strlen(text);
    if (write(s->line, text, length) != (ssize_t)length) fail("write");
}

static void *run(void *pointer) {
    struct session *s = pointer;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;
    s->line = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->line, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s->line, (void *)&name, sizeof name) != 0) fail("connect");
    char text[room], job[longest_word], files[most_files][longest_word], octets[longest_word];
    answer(s, "300");
    tell(s, "HELLO PRIV-RJE/1\n");
    answer(s, "200");
    snprintf(text, sizeof text, "USER DIR%d\n", s->number);
    tell(s, text);
    answer(s, "330");
    tell(s, "PASS secret\n");
    answer(s, "230");
    tell(s, "WATCH *\n");
    answer(s, "200");
    while (now() < deadline && s->jobs < most_jobs) {
        double began = now();
        int head = snprintf(text, sizeof text, "INPUT OCTETS=%zu KEY=%d.%d.%ld\n", deck_octets, getpid(), s->number, s->jobs);
        memcpy(text + head, deck, deck_octets);
        text[(size_t)head + deck_octets] = 0;
        tell(s, text);
        word(answer(s, "260"), " JOB=", job);
        while (!has_ended(s, job)) answer(s, NULL);
        snprintf(text, sizeof text, "FILES %s\n", job);
        tell(s, text);
        int count = 0;
        for (;;) {
            char *file = answer(s, "2");
            if (file[3] != '-') break;
            if (count == most_files) fail("files");
            word(file, "FILE=", files[count++]);
        }
        for (int index = 0; index < count; index++) {
            snprintf(text, sizeof text, "FETCH %s %s\n", job, files[index]);
            tell(s, text);
            word(answer(s, "264"), " OCTETS=", octets);
            for (size_t left = strtoul(octets, NULL, 10); left > 0;) {
                if (s->at == s->held) fill(s);
                size_t part = s->held - s->at < left ? s->held - s->at : left;
                s->at += part;
                left -= part;
            }
        }
        snprintf(text, sizeof text, "PURGE %s\n", job);
        tell(s, text);
        answer(s, "262");
        s->times[s->jobs++] = now() - began;
    }
    close(s->line);
    return NULL;
}

static int order(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    port = atoi(words[1]);
    int sessions = atoi(words[2]);
    double began = now(), seconds = strtod(words[3], NULL);
    deadline = began + seconds;
    FILE *file = fopen(words[4], "r");
    if (file == NULL || (deck_octets = fread(deck, 1, sizeof deck - 256, file)) == 0) return 1;
    struct session *all = calloc((size_t)sessions, sizeof *all);
    for (int index = 0; index < sessions; index++) {
        all[index].number = index + 1;
        all[index].times = calloc(most_jobs, sizeof(double));
        pthread_create(&all[index].thread, NULL, run, &all[index]);
    }
    long jobs = 0;
    double *times = calloc((size_t)sessions * most_jobs, sizeof *times);
    for (int index = 0; index < sessions; index++) {
        pthread_join(all[index].thread, NULL);
        memcpy(times + jobs, all[index].times, (size_t)all[index].jobs * sizeof *times);
        jobs += all[index].jobs;
    }
    double took = now() - began;
    qsort(times, (size_t)jobs, sizeof *times, order);
    printf("{\"jobs/s\": %.1f, \"p50 ms\": %.4f, \"p99 ms\": %.4f}\n", (double)jobs / took, times[jobs / 2] * 1e3,
           times[jobs * 99 / 100] * 1e3);
    return 0;
}
