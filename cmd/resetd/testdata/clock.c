/* A clock that tests move, for a program that asks the C library for the time: cc -shared -fPIC, then LD_PRELOAD.
 *
 * The file CLOCK_FILE holds, as 8 bytes of this machine's order, how many milliseconds the real-time clock is ahead. Monotonic clocks are left
 * alone. Debian's libfaketime cannot be used: it looks its functions up with dlsym, and jemalloc, which Debian's redis-server is linked with, asks for
 * the time while it allocates for that.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void) {
	const char *file = getenv("CLOCK_FILE");
	int fd = file ? open(file, O_RDONLY) : -1;
	if (fd < 0) return;
	void *p = mmap(0, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED) ahead = p;
}

int clock_gettime(clockid_t id, struct timespec *t) {
	int r = syscall(SYS_clock_gettime, id, t);
	if (r == 0 && ahead && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		int64_t ms = *ahead;
		t->tv_sec += ms / 1000;
		t->tv_nsec += ms % 1000 * 1000000;
		if (t->tv_nsec >= 1000000000) { t->tv_sec++; t->tv_nsec -= 1000000000; }
	}
	return r;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
	struct timespec t;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &t) != 0) return -1;
	if (tv) { tv->tv_sec = t.tv_sec; tv->tv_usec = t.tv_nsec / 1000; }
	return 0;
}

time_t time(time_t *out) {
	struct timespec t;
	if (clock_gettime(CLOCK_REALTIME, &t) != 0) return -1;
	if (out) *out = t.tv_sec;
	return t.tv_sec;
}
