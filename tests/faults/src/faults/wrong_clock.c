/* A wrong wall clock for one process, by LD_PRELOAD: built by the fault "clock" with the system's C compiler.
 *
 * WRONG_CLOCK holds seconds to add, or "frozen": the time of the first look. Waits with an absolute time are brought
 * back to the real clock, as on a machine whose clock is wrong; monotonic clocks are left alone. libfaketime would do
 * the same, but 0.9.10 (Debian 12) hangs in the service before its first line of log. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

typedef int (*gettime_t)(clockid_t, struct timespec *);

static struct timespec real_now(void) {
    static gettime_t real;
    if (!real) real = (gettime_t)dlsym(RTLD_NEXT, "clock_gettime");
    struct timespec now;
    real(CLOCK_REALTIME, &now);
    return now;
}

static struct timespec wrong_now(void) {
    static struct timespec frozen;
    const char *wrong = getenv("WRONG_CLOCK");
    struct timespec now = real_now();
    if (wrong && strcmp(wrong, "frozen") == 0) {
        if (!frozen.tv_sec) frozen = now;
        return frozen;
    }
    if (wrong) now.tv_sec += atol(wrong);
    return now;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static gettime_t real;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        *now = wrong_now();
        return 0;
    }
    if (!real) real = (gettime_t)dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, now);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec wrong = wrong_now();
    now->tv_sec = wrong.tv_sec;
    now->tv_usec = wrong.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    time_t wrong = wrong_now().tv_sec;
    if (now) *now = wrong;
    return wrong;
}

int timespec_get(struct timespec *now, int base) {
    *now = wrong_now();
    return base;
}

static struct timespec in_real_time(const struct timespec *until) {
    struct timespec wrong = wrong_now(), real = real_now();
    long long rest = (until->tv_sec - wrong.tv_sec) * 1000000000LL + until->tv_nsec - wrong.tv_nsec;
    long long at = real.tv_sec * 1000000000LL + real.tv_nsec + (rest > 0 ? rest : 0);
    struct timespec moved = {at / 1000000000LL, at % 1000000000LL};
    return moved;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec moved = in_real_time(until);
    return real(condition, mutex, &moved);
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec moved = in_real_time(until);
    return real(condition, mutex, &moved);
}
