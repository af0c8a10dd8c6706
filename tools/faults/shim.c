/* Preloaded into a program: its clocks jump, and the disk of its recordings is slow or full.
 *
 * What holds stands in a file that CHAOS_CONTROL names, mapped by both sides. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t clock_ahead_s; /* of the day's time and of the time since boot */
    volatile int64_t write_ms;      /* that each write to a recording takes */
    volatile int64_t full;          /* whether no more can be written to one */
};

static struct control *control;
static int (*real_clock)(clockid_t, struct timespec *);
static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CONTROL");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    real_write = dlsym(RTLD_NEXT, "write");
    if (file < 0)
        return;
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, file, 0);
    control = shared == MAP_FAILED ? NULL : shared;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = real_clock(clock, now);
    if (control && !result && (clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME))
        now->tv_sec += control->clock_ahead_s;
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (place)
        *place = precise.tv_sec;
    return precise.tv_sec;
}

static int is_recording(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    return length > 4 && !memcmp(path + length - 4, ".wav", 4);
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (control && (control->write_ms || control->full) && is_recording(file)) {
        if (control->full) {
            errno = ENOSPC;
            return -1;
        }
        usleep(1000 * control->write_ms);
    }
    return real_write(file, bytes, count);
}
