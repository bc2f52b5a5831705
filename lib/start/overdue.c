/* overdue.c: see overdue.h. */
#include "config.h"
#include "start/overdue.h"
#include "base/env.h"
#include "base/error.h"
#include "base/log.h"
#include "base/system.h"
#include "kith.h"
#include "net/address.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CURE = 300 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct kith__thread thread;
    int running, patience_ms, several_hosts;
    unsigned step;
    const char *waits_for;
} self = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* A network that is none of a bridge, for the cure. */
static void write_cure(char cure[CURE])
{
    struct kith__address addresses[KITH__ADDRESSES];
    char text[KITH__SUBNET_TEXT] = "10.0.0.0/8";

    if (kith__net_addresses(addresses) > 0) {
        struct kith__subnet net = { .is_v6 = addresses[0].is_v6, .prefix = addresses[0].prefix };

        memcpy(net.address, addresses[0].address, sizeof net.address);
        kith__subnet_text(&net, text);
    }
    snprintf(cure, CURE,
             ": a firewall between the hosts, or a bridge of containers with one address on each (docker0), "
             "may be the reason; start "
             "by kith run, or by mpirun --mca btl_tcp_if_include %s --mca oob_tcp_if_include %s",
             text, text);
}

static void tell(void)
{
    char cure[CURE] = ": this machine is very busy, or stopped";

    if (self.several_hosts)
        write_cure(cure);
    kith__notice("the start has waited for %s on %s for %d s%s", self.waits_for, kith_host(),
                 self.patience_ms / 1000, cure);
}

static void *watch(void *nothing)
{
    unsigned told = 0;

    (void)nothing;
    pthread_mutex_lock(&self.mutex);
    while (self.running) {
        unsigned step = self.step;
        struct timespec until;
        int rc = 0;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += self.patience_ms / 1000;
        until.tv_nsec += self.patience_ms % 1000 * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        while (self.running && self.step == step && rc == 0)
            rc = pthread_cond_timedwait(&self.changed, &self.mutex, &until);
        if (rc == ETIMEDOUT && self.running && self.step == step && told != step) {
            tell();
            told = step;
        }
    }
    pthread_mutex_unlock(&self.mutex);
    return NULL;
}

void kith__overdue_begin(int patience_ms, int several_hosts)
{
    pthread_condattr_t clock;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&self.changed, &clock);
    pthread_condattr_destroy(&clock);
    self.patience_ms = patience_ms;
    self.several_hosts = several_hosts;
    self.step = 1;
    self.waits_for = "the other ranks";
    self.running = 1;
    if (kith__thread_begin(&self.thread, watch, NULL) != 0)
        self.running = 0;
}

void kith__overdue_step(const char *waits_for)
{
    pthread_mutex_lock(&self.mutex);
    self.step++;
    self.waits_for = waits_for;
    if (self.running)
        pthread_cond_signal(&self.changed);
    pthread_mutex_unlock(&self.mutex);
}

void kith__overdue_end(void)
{
    int running;

    pthread_mutex_lock(&self.mutex);
    running = self.running;
    self.running = 0;
    if (running)
        pthread_cond_signal(&self.changed);
    pthread_mutex_unlock(&self.mutex);
    if (!running)
        return;
    kith__thread_join(&self.thread);
    pthread_cond_destroy(&self.changed);
}
