/* A machine that misbehaves, preloaded under the real server (LD_PRELOAD). The file named by WICKET_FAULTS says how,
   and may be written at any time: it is looked for a hundred times a second, and removed when it is in force.
       sync MILLISECONDS    every fsync and fdatasync takes that long
       memory N             one allocation in about N fails
       clock SECONDS        the time of day is that much later; clocks that never go back are left alone
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static atomic_long sync_milliseconds, memory_rarity, clock_seconds;
static atomic_ulong allocations;

static void read_faults(const char *path) {
    char text[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (length < 0) return;
    long sync = 0, memory = 0, clock = 0;
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        sscanf(line, "sync %ld", &sync);
        sscanf(line, "memory %ld", &memory);
        sscanf(line, "clock %ld", &clock);
    }
    atomic_store(&sync_milliseconds, sync);
    atomic_store(&memory_rarity, memory);
    atomic_store(&clock_seconds, clock);
    unlink(path);
}

static void *watch(void *path) {
    const struct timespec pause = {0, 10000000};
    for (;;) {
        read_faults(path);
        syscall(SYS_nanosleep, &pause, NULL);
    }
    return NULL;
}

/* Where a library did not look at what it was given: to the log. */
static void tell_where(int number) {
    void *frames[64];
    backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

__attribute__((constructor)) static void begin(void) {
    static char path[4096];
    const char *named = getenv("WICKET_FAULTS");
    pthread_t thread;
    void *frame;
    backtrace(&frame, 1); /* loads what it needs while there is memory */
    signal(SIGSEGV, tell_where);
    if (!named || strlen(named) >= sizeof(path)) return;
    strcpy(path, named);
    unsetenv("LD_PRELOAD"); /* the scan workers are left alone */
    read_faults(path);
    pthread_create(&thread, NULL, watch, path);
}

static void be_slow(void) {
    long wait = atomic_load(&sync_milliseconds);
    struct timespec pause = {wait / 1000, wait % 1000 * 1000000};
    if (wait) syscall(SYS_nanosleep, &pause, NULL);
}

int fsync(int fd) {
    be_slow();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    be_slow();
    return (int)syscall(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(which, now);
    if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) now->tv_sec += atomic_load(&clock_seconds);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (also) *also = precise.tv_sec;
    return precise.tv_sec;
}

#ifndef WICKET_KEEP_MALLOC
extern void *__libc_malloc(size_t);

/* A step that shares no factor with anything: which allocation fails looks random and needs no state of its own. */
void *malloc(size_t octets) {
    unsigned long rarity = (unsigned long)atomic_load_explicit(&memory_rarity, memory_order_relaxed);
    if (rarity) {
        unsigned long number = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
        if (number * 2654435761UL % 1000003UL % rarity == 0) {
            errno = ENOMEM;
            return NULL;
        }
    }
    return __libc_malloc(octets);
}
#endif
