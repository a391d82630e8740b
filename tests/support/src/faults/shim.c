// Stands between a program and libc (LD_PRELOAD) and makes the faults that `faults.rs` orders, each by
// a file in the directory $FAULTS:
//
//   fail-sync   while it is there, fsync and fdatasync fail with EIO, and nothing is synced
//   clock       a number of seconds that the wall clock is off by
//   synced      written here: "SIZE PATH" for every file that was synced, after it was
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROOM 4096

static char fail_sync[ROOM], clock_offset[ROOM], synced[ROOM];
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("FAULTS");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (directory == NULL)
        return;
    snprintf(fail_sync, ROOM, "%s/fail-sync", directory);
    snprintf(clock_offset, ROOM, "%s/clock", directory);
    snprintf(synced, ROOM, "%s/synced", directory);
}

static void note(int file, off_t size) {
    char link[64], line[ROOM + 64], path[ROOM];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return;
    path[length] = 0;
    int log = open(synced, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return;
    int bytes = snprintf(line, sizeof line, "%lld %s\n", (long long)size, path);
    // A line that could not be written is one sync less that is believed.
    if (write(log, line, bytes) != bytes)
        errno = 0;
    close(log);
}

static int sync_with(int (*real)(int), int file) {
    struct stat before;
    if (fail_sync[0] != 0 && access(fail_sync, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    // What is written while the sync runs may not be part of it.
    int known = fstat(file, &before);
    int result = real(file);
    if (result == 0 && known == 0 && synced[0] != 0)
        note(file, before.st_size);
    return result;
}

int fsync(int file) { return sync_with(real_fsync, file); }

int fdatasync(int file) { return sync_with(real_fdatasync, file); }

int clock_gettime(clockid_t clock, struct timespec *time) {
    // The loader may ask before `begin` ran.
    if (real_clock_gettime == NULL)
        real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, time);
    if (result != 0 || clock != CLOCK_REALTIME || clock_offset[0] == 0)
        return result;
    int file = open(clock_offset, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return result;
    char text[32] = {0};
    if (read(file, text, sizeof text - 1) > 0)
        time->tv_sec += strtoll(text, NULL, 10);
    close(file);
    return result;
}
