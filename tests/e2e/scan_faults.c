/* Scan workers that fail over a message that says so, preloaded under the real server (LD_PRELOAD). The front hands it
   on to the workers that it starts, which otherwise get nothing of its environment. In a worker, a frame that holds
       X-Scan-Fault: segv    ends it by SIGSEGV
       X-Scan-Fault: spin    keeps it busy for ever
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static char preload[4096 + sizeof("LD_PRELOAD=")];
static int is_worker;

__attribute__((constructor)) static void begin(void) {
    is_worker = getenv("WICKET_SCAN_FAULTS") != NULL;
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", getenv("LD_PRELOAD"));
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
                char *const arguments[], char *const environment[]) {
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[],
                char *const[]);
    char mark[] = "WICKET_SCAN_FAULTS=1";
    char *const ours[] = {preload, mark, NULL};
    (void)environment;
    *(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
    return real(pid, path, actions, attributes, arguments, ours);
}

static int holds(const struct msghdr *message, ssize_t octets, const char *text) {
    const struct iovec *part = message->msg_iov;
    return octets > 0 && memmem(part->iov_base, (size_t)octets, text, strlen(text)) != NULL;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    static ssize_t (*real)(int, struct msghdr *, int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "recvmsg");
    ssize_t octets = real(fd, message, flags);
    if (is_worker && holds(message, octets, "X-Scan-Fault: segv")) raise(SIGSEGV);
    if (is_worker && holds(message, octets, "X-Scan-Fault: spin"))
        for (volatile int busy = 1; busy;) continue;
    return octets;
}
