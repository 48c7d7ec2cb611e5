// Preloaded into a process under test: counts its system calls on the data folder and its sockets, and at the n-th kills
// the process, cuts its power, or lets the call fail. Armed from outside, while the process runs, by a mapped file.
//
// Cutting the power: what was written and not fsynced is taken back, names that no fsync of their folder made durable too;
// then SIGKILL. A process killed alone would keep both, since the page cache outlives it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, RENAME = 4, UNLINK = 8, OPEN = 16, TRUNCATE = 32, SEND = 64, MAKE = 128, ACCEPT = 256 };
enum { NOTHING, KILL, POWER, FAIL, SHORT };

/// Mapped; shim.py writes the same layout.
struct control {
    int64_t count;    // calls of these kinds since it was armed
    int64_t at;       // the call that it happens at, from 1
    int64_t kinds;    // which calls count
    int64_t action;   // 0: nothing, only counting
    int64_t error;    // errno for FAIL
    int64_t lasting;  // FAIL goes on until disarmed
    int64_t fired;    // how often it happened
    int64_t seed;     // POWER: 0 drops all that is not durable; else each file's writes by lot
    char what[192];   // the call it happened at first
};

static struct control *control;
static const char *folder;
static size_t folder_length;
static char backups[512];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// MARK: what is not durable yet

struct undo {
    struct undo *before;
    off_t offset, size;  // where the old octets go, and how long the file was
    size_t count;
    int lost;  // a failed fsync came over it: no later one makes it durable
    unsigned char octets[];
};

struct file {
    struct file *next;
    dev_t device;
    ino_t inode;
    int descriptor;  // ours, for taking back; never closed: closing drops the process's locks on the file
    char *path;
    struct undo *undo;
};

struct name {
    struct name *before;
    enum { CREATED, RENAMED, UNLINKED, MADE } what;
    char *path, *from, *kept, *parent;
};

static struct file *files;
static struct name *names;
static char *paths[65536];  // of descriptors on the folder
static int backup_number;

#define REAL(result, name, ...) \
    static result (*real_##name)(__VA_ARGS__); \
    static void find_##name(void) { real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); }
REAL(int, open64, const char *, int, ...)
REAL(int, openat64, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, rename, const char *, const char *)
REAL(int, link, const char *, const char *)
REAL(int, unlink, const char *)
REAL(int, mkdir, const char *, mode_t)
REAL(int, rmdir, const char *)
REAL(int, ftruncate64, int, off64_t)
REAL(int, close, int)
REAL(ssize_t, sendmsg, int, const struct msghdr *, int)
REAL(ssize_t, send, int, const void *, size_t, int)
REAL(int, accept4, int, struct sockaddr *, socklen_t *, int)

__attribute__((constructor)) static void begin(void) {
    find_open64(), find_openat64(), find_write(), find_pwrite64(), find_writev(), find_fsync(), find_fdatasync();
    find_rename(), find_link(), find_unlink(), find_mkdir(), find_rmdir(), find_ftruncate64(), find_close();
    find_sendmsg(), find_send(), find_accept4();
    const char *path = getenv("SHIM_CONTROL");
    folder = getenv("SHIM_FOLDER");
    unsetenv("LD_PRELOAD");  // not for children
    if (!path || !folder) return;
    folder_length = strlen(folder);
    snprintf(backups, sizeof backups, "%s.kept-%d", path, getpid());
    int descriptor = real_open64(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    real_close(descriptor);
    if (map != MAP_FAILED) control = map;
}

static int inside(const char *path) {
    return control && path && strncmp(path, folder, folder_length) == 0
        && (path[folder_length] == '/' || path[folder_length] == 0);
}

/// Mapped by many processes, which are no part of a power cut: SQLite makes it anew.
static int is_shared_memory(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, "-shm") == 0;
}

static const char *path_of(int descriptor) {
    return control && descriptor >= 0 && descriptor < 65536 ? paths[descriptor] : NULL;
}

static char *parent_of(const char *path) {
    char *parent = strdup(path), *slash = strrchr(parent, '/');
    if (slash) *slash = 0;
    return parent;
}

static struct file *file_of(int descriptor, const char *path) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    for (struct file *file = files; file; file = file->next)
        if (file->device == status.st_dev && file->inode == status.st_ino) return file;
    int own = real_open64(path, O_RDWR | O_CLOEXEC);
    if (own < 0) return NULL;
    struct file *file = calloc(1, sizeof *file);
    *file = (struct file){files, status.st_dev, status.st_ino, own, strdup(path), NULL};
    return files = file;
}

/// Keeps what `count` octets at `offset` are now.
static void remember(int descriptor, const char *path, off_t offset, size_t count) {
    if (is_shared_memory(path)) return;
    struct file *file = file_of(descriptor, path);
    struct stat status;
    if (!file || fstat(file->descriptor, &status) != 0) return;
    size_t there = offset < status.st_size ? (size_t)(status.st_size - offset) : 0;
    if (there > count) there = count;
    struct undo *undo = malloc(sizeof *undo + there);
    *undo = (struct undo){file->undo, offset, status.st_size, there, 0};
    if (there && pread(file->descriptor, undo->octets, there, offset) != (ssize_t)there) undo->count = 0;
    file->undo = undo;
}

/// A failed fsync may drop a file's pages, and the next one says yes. Names are in the file system's journal: what failed
/// there is tried again or fails for good, so a later fsync of the folder that says yes holds for all of them. (SQLite
/// relies on it: it fsyncs the folder of a new log, and does not look at the answer.)
static void settle(int descriptor, const char *path, int failed) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) return;
    if (S_ISDIR(status.st_mode)) {
        for (struct name **at = &names; *at && !failed;) {
            struct name *name = *at;
            if (strcmp(name->parent, path) != 0) { at = &name->before; continue; }
            *at = name->before;
            if (name->kept) real_unlink(name->kept);
            free(name->path), free(name->from), free(name->kept), free(name->parent), free(name);
        }
        return;
    }
    struct file *file = file_of(descriptor, path);
    if (!file) return;
    for (struct undo **at = &file->undo; *at;) {
        struct undo *undo = *at;
        if (failed) undo->lost = 1;
        if (undo->lost) { at = &undo->before; continue; }
        *at = undo->before;
        free(undo);
    }
}

static void note(int what, const char *path, const char *from, char *kept) {
    struct name *name = malloc(sizeof *name);
    *name = (struct name){names, what, strdup(path), from ? strdup(from) : NULL, kept, parent_of(path)};
    names = name;
}

/// Another name for a file that is about to lose this one; nil when there is none.
static char *keep(const char *path) {
    char *kept;
    if (access(path, F_OK) != 0) return NULL;
    real_mkdir(backups, 0700);
    if (asprintf(&kept, "%s/%d", backups, backup_number++) < 0) return NULL;
    if (real_link(path, kept) == 0) return kept;
    free(kept);
    return NULL;
}

static int drawn(const char *path) {
    uint64_t mix = (uint64_t)control->seed * 0x9E3779B97F4A7C15u;
    for (; *path; path++) mix = (mix ^ (unsigned char)*path) * 0x100000001B3u;
    return (mix >> 37) & 1;
}

/// The lock is held and never given back: nothing is written any more.
static void cut_power(void) {
    for (struct file *file = files; file; file = file->next) {
        if (control->seed && drawn(file->path)) continue;
        for (struct undo *undo = file->undo; undo; undo = undo->before) {
            if (undo->count) real_pwrite64(file->descriptor, undo->octets, undo->count, undo->offset);
            real_ftruncate64(file->descriptor, undo->size);
        }
    }
    for (struct name *name = names; name; name = name->before) {
        switch (name->what) {
        case CREATED: real_unlink(name->path); break;
        case RENAMED:
            real_rename(name->path, name->from);
            if (name->kept) real_rename(name->kept, name->path);
            break;
        case UNLINKED: if (name->kept) real_rename(name->kept, name->path); break;
        case MADE: real_rmdir(name->path); break;
        }
    }
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/// Counts one call; does not return from KILL and POWER. The lock is held.
/// - Returns: what is to be done instead of the call, or nothing.
static int pass(int kind, const char *call, const char *path) {
    if (!control || !control->at || !(control->kinds & kind)) return NOTHING;
    int64_t number = ++control->count;
    if (number < control->at || !control->action || (number > control->at && !control->lasting)) return NOTHING;
    if (!control->fired++) snprintf(control->what, sizeof control->what, "%s %s", call, path);
    switch (control->action) {
    case KILL:
        kill(getpid(), SIGKILL);
        for (;;) pause();
    case POWER: cut_power();
    }
    if (control->action == FAIL) errno = (int)control->error;
    return (int)control->action;
}

static void enter(void) { pthread_mutex_lock(&lock); }
static int leave(int result) {
    int number = errno;
    pthread_mutex_unlock(&lock);
    errno = number;
    return result;
}

// MARK: the calls

static int opened(int descriptor, const char *path, int created) {
    if (descriptor < 0 || descriptor >= 65536) return descriptor;
    free(paths[descriptor]);
    paths[descriptor] = strdup(path);
    if (created && !is_shared_memory(path)) note(CREATED, path, NULL, NULL);
    return descriptor;
}

static int open_path(const char *path, int flags, mode_t mode) {
    if (!inside(path)) return real_open64(path, flags, mode);
    enter();
    if (pass(OPEN, "open", path) == FAIL) return leave(-1);
    int number = errno, created = (flags & O_CREAT) && access(path, F_OK) != 0;
    errno = number;
    if (!created && (flags & O_TRUNC)) {
        int old = real_open64(path, O_RDWR | O_CLOEXEC);  // not closed: see `file`
        struct stat status;
        if (old >= 0 && fstat(old, &status) == 0 && status.st_size) remember(old, path, 0, (size_t)status.st_size);
    }
    return leave(opened(real_open64(path, flags, mode), path, created));
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, last); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_path(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_path(path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return path[0] == '/' ? open_path(path, flags, mode) : real_openat64(at, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return path[0] == '/' ? open_path(path, flags, mode) : real_openat64(at, path, flags, mode);
}

static int is_socket(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode);
}

ssize_t write(int descriptor, const void *octets, size_t count) {
    const char *path = path_of(descriptor);
    if (!path) {
        if (control && is_socket(descriptor)) { enter(), pass(control->action < FAIL ? SEND : 0, "write", "socket"), leave(0); }
        return real_write(descriptor, octets, count);
    }
    enter();
    int instead = pass(WRITE, "write", path);
    if (instead == FAIL) return leave(-1);
    if (instead == SHORT && count > 1) count /= 2;
    struct stat status;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    if ((fcntl(descriptor, F_GETFL) & O_APPEND) && fstat(descriptor, &status) == 0) offset = status.st_size;
    remember(descriptor, path, offset, count);
    ssize_t done = real_write(descriptor, octets, count);
    leave(0);
    return done;
}

ssize_t pwrite64(int descriptor, const void *octets, size_t count, off64_t offset) {
    const char *path = path_of(descriptor);
    if (!path) return real_pwrite64(descriptor, octets, count, offset);
    enter();
    int instead = pass(WRITE, "pwrite", path);
    if (instead == FAIL) return leave(-1);
    if (instead == SHORT && count > 1) count /= 2;
    remember(descriptor, path, offset, count);
    ssize_t done = real_pwrite64(descriptor, octets, count, offset);
    leave(0);
    return done;
}
ssize_t pwrite(int descriptor, const void *octets, size_t count, off_t offset) {
    return pwrite64(descriptor, octets, count, offset);
}

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    if (control && is_socket(descriptor)) { enter(), pass(control->action < FAIL ? SEND : 0, "writev", "socket"), leave(0); }
    return real_writev(descriptor, pieces, count);
}

static int sync_with(int (*real)(int), const char *call, int descriptor) {
    const char *path = path_of(descriptor);
    if (!path) return real(descriptor);
    enter();
    if (pass(SYNC, call, path) == FAIL) {
        settle(descriptor, path, 1);
        errno = (int)control->error;
        return leave(-1);
    }
    // Undoing needs the writes, not the disk: a real sync would only cost time.
    settle(descriptor, path, 0);
    return leave(0);
}
int fsync(int descriptor) { return sync_with(real_fsync, "fsync", descriptor); }
int fdatasync(int descriptor) { return sync_with(real_fdatasync, "fdatasync", descriptor); }

int rename(const char *from, const char *to) {
    if (!inside(to)) return real_rename(from, to);
    enter();
    if (pass(RENAME, "rename", to) == FAIL) return leave(-1);
    char *kept = keep(to);
    int result = real_rename(from, to);
    if (result == 0) note(RENAMED, to, from, kept);
    return leave(result);
}

int link(const char *from, const char *to) {
    if (!inside(to)) return real_link(from, to);
    enter();
    if (pass(RENAME, "link", to) == FAIL) return leave(-1);
    int result = real_link(from, to);
    if (result == 0) note(CREATED, to, NULL, NULL);
    return leave(result);
}

int unlink(const char *path) {
    if (!inside(path)) return real_unlink(path);
    enter();
    if (pass(UNLINK, "unlink", path) == FAIL) return leave(-1);
    char *kept = keep(path);
    int result = real_unlink(path);
    if (result == 0) note(UNLINKED, path, NULL, kept);
    return leave(result);
}

int mkdir(const char *path, mode_t mode) {
    if (!inside(path)) return real_mkdir(path, mode);
    enter();
    if (access(path, F_OK) != 0) {
        if (pass(MAKE, "mkdir", path) == FAIL) return leave(-1);
        int result = real_mkdir(path, mode);
        if (result == 0) note(MADE, path, NULL, NULL);
        return leave(result);
    }
    return leave(real_mkdir(path, mode));
}

int ftruncate64(int descriptor, off64_t length) {
    const char *path = path_of(descriptor);
    if (!path) return real_ftruncate64(descriptor, length);
    enter();
    if (pass(TRUNCATE, "ftruncate", path) == FAIL) return leave(-1);
    struct stat status;
    if (fstat(descriptor, &status) == 0)
        remember(descriptor, path, length, status.st_size > length ? (size_t)(status.st_size - length) : 0);
    return leave(real_ftruncate64(descriptor, length));
}
int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

int close(int descriptor) {
    if (path_of(descriptor)) {
        enter();
        free(paths[descriptor]);
        paths[descriptor] = NULL;
        leave(0);
    }
    return real_close(descriptor);
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    if (control) { enter(), pass(control->action < FAIL ? SEND : 0, "sendmsg", "socket"), leave(0); }
    return real_sendmsg(descriptor, message, flags);
}
ssize_t send(int descriptor, const void *octets, size_t count, int flags) {
    if (control) { enter(), pass(control->action < FAIL ? SEND : 0, "send", "socket"), leave(0); }
    return real_send(descriptor, octets, count, flags);
}
int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    if (control && control->action == FAIL && (control->error == EMFILE || control->error == ENFILE)) {
        enter();
        if (pass(ACCEPT, "accept4", "socket") == FAIL) return leave(-1);
        leave(0);
    }
    return real_accept4(descriptor, address, length, flags);
}
