/* test_agent.c: the node agent itself: its death, its idleness, what it believes, whom it lets in. Each test
 * is a job of its own. */
#include "config.h"
#include "netjob.h"
#include "rpc/agent_control.h"
#include "rpc/mailbox.h"
#include "agent/request.h"
#include "agent/pending.h"
#include "object/process.h"
#include "object/class.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>

static int waits_for_item(const void *arg)
{
    const kith_queue *q = arg;
    int x;

    return kith_get(*q, &x) == KITH_EPEER ? 3 : 4;
}

static int64_t look_at(kith_process p)
{
    struct kith__caller who = { 0 };
    struct kith__args in = { 0 };
    struct kith__result out = { 0 };

    return kith__attempt(p.id, KITH__PROCESS_KIND, KITH__PROCESS_LOOK, &who, &in, &out);
}

/* A method by its name, as it stands in a request. */
static uint16_t op_of(enum kith__kind kind, const char *name)
{
    const struct kith__class *c = kith__classes[kind];

    for (int i = KITH__FIRST_METHOD; i < c->count; i++)
        if (strcmp(c->methods[i].name, name) == 0)
            return (uint16_t)(kind << 8 | i);
    return 0;
}

/* The exit code of p, without the agent, which is dead. */
static int code_here(kith_process p, int limit_ms)
{
    int64_t begin = kith__now_ns(), seen;
    int status;

    while (((seen = look_at(p)) < 0 || seen >> 32 != 2) && ms_since(begin) < limit_ms)
        sleep_ms(1);
    status = (int)(uint32_t)seen;
    if (seen >> 32 != 2)
        return -1000;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void death_of_the_agent_is_told_soon_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p[3];
    int64_t begin;
    int x = 1;

    for (int i = 0; i < 3; i++) {
        p[i] = kith_process_start(waits_for_item, KITH_ARG(q));
        await_parked(p[i]);
    }
    begin = kith__now_ns();
    REQUIRE(kill(agent(), SIGKILL) == 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(code_here(p[i], SOON * slowdown()) == 3);
    begin = kith__now_ns();
    REQUIRE(kith_put(q, x) == KITH_EPEER && strstr(kith_last_error(), "agent"));
    REQUIRE(kith_queue_get(q, &x, sizeof x, KITH_FOREVER) == KITH_EPEER);
    REQUIRE(kith_queue_size(q) == KITH_EPEER);
    REQUIRE(ms_since(begin) < SOON);
}
static void death_of_the_agent_is_told_soon(void)
{
    JOB(death_of_the_agent_is_told_soon_job);
}

static void end_as_the_agent(void)
{
    char name[16];

    prctl(PR_GET_NAME, name);
    if (strcmp(name, "kith-server") == 0) /* whose first child it is */
        _exit(3);
}

static void init_without_agent(void)
{
    int64_t begin = kith__now_ns();

    setenv("KITH_TRANSPORT", "net", 1);
    kith_on_fault(NULL);
    pthread_atfork(NULL, NULL, end_as_the_agent);
    REQUIRE(kith_init(NULL, NULL) == KITH_EPEER && strstr(kith_last_error(), "cannot start"));
    REQUIRE(ms_since(begin) < 15000); /* else it waits 20 s */
}

static void agent_that_dies_before_it_is_up_is_not_waited_for(void)
{
    CU_ASSERT_EQUAL(check_fork(init_without_agent), 0);
}

struct trader {
    kith_queue q;
    int who;
};

static int trades(const void *arg)
{
    const struct trader *s = arg;
    static char bytes[200000];
    int64_t rc = 0;

    for (int i = 0; rc >= 0; i++) {
        if (s->who % 2)
            rc = kith_queue_put(s->q, bytes, i % 7 == 6 ? sizeof bytes : i % 5 == 4 ? 6000 : 8, KITH_FOREVER);
        else
            rc = kith_queue_get(s->q, bytes, sizeof bytes, KITH_FOREVER);
    }
    return rc == KITH_EPEER ? 3 : 4;
}

static unsigned moment;

/* In the middle of everything; the queue and the memory of the node are sound. */
static void agent_dies_in_the_middle_job(void)
{
    struct trader s = { kith_queue_open(0), 0 };
    kith_process p[4];
    int x = 0;

    for (s.who = 0; s.who < 4; s.who++)
        p[s.who] = kith_process_start(trades, KITH_ARG(s));
    usleep(2000 + moment * 7919 % 20000);
    REQUIRE(kill(agent(), SIGKILL) == 0);
    for (int i = 0; i < 4; i++)
        REQUIRE(code_here(p[i], SOON * slowdown()) == 3);
    atomic_store(&kith__shared->through_net, 0);
    while (kith_queue_size(s.q) > 0) {
        static char bytes[200000];

        REQUIRE(kith_queue_get(s.q, bytes, sizeof bytes, 0) >= 0);
    }
    REQUIRE(kith_put(s.q, x) == 0 && kith_get(s.q, &x) == 0 && kith_queue_close(s.q) == 0);
    REQUIRE(kith__heap_audit() == 0);
}

static void agent_that_dies_in_the_middle_harms_no_object(void)
{
    unsigned rounds = getenv("KITH_TEST_LONG") ? 300 : 30;

    for (moment = 0; moment < rounds; moment++)
        JOB(agent_dies_in_the_middle_job);
}

static void stopped_agent_is_waited_for_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p;
    int code, x = 5;

    REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0);
    p = kith_process_start(takes_one, KITH_ARG(q));
    await_parked(p);
    REQUIRE(kill(agent(), SIGSTOP) == 0);
    sleep_ms(4500); /* longer than a silent peer is waited for */
    REQUIRE(kill(agent(), SIGCONT) == 0);
    REQUIRE(kith_put(q, x) == 0);
    REQUIRE(kith_process_join(p, SOON * slowdown()) == 0);
    REQUIRE(kith_process_exitcode(p, &code) == 0 && code == 5);
}
static void stopped_agent_is_waited_for(void)
{
    JOB(stopped_agent_is_waited_for_job);
}

/* This process in the agent's place, while that is stopped: what it does with requests, on a link that
 * carries when the test says so. */
static struct {
    struct kith__proto *proto;
    struct kith__requests *requests;
    struct kith__pending *pending;
    uint64_t asked, refused;
} stand_in;

static void *stand_in_at(void *context, uint64_t block)
{
    (void)context;
    return kith__at(block);
}

static void stand_in_release(void *context, uint64_t block)
{
    (void)context;
    kith__heap_free(block);
}

/* A home that is content with each put, and gives more than anybody has asked for. */
static uint64_t stand_in_request(void *context, uint32_t peer, const struct kith__request *r,
                                 const void *bytes)
{
    static const char much[100] = "much";
    const struct kith__reply reply = {
        .id = r->id, .result = sizeof much, .size = sizeof much, .flags = KITH__GIVEN
    };

    (void)context;
    (void)bytes;
    stand_in.asked++;
    if (r->op == op_of(KITH__FIFO_KIND, "put"))
        kith__proto_confirm(stand_in.proto, peer, r->id, KITH__PIPELINED);
    else
        kith__proto_reply(stand_in.proto, peer, &reply, much, 0);
    return 0;
}

static uint64_t stand_in_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    (void)context;
    return kith__requests_reply(stand_in.requests, peer, r, bytes);
}

static void stand_in_settled(void *context, uint32_t peer, uint64_t id, int yes)
{
    (void)context;
    (void)peer;
    (void)id;
    stand_in.refused += yes == 0;
}

static const struct kith__proto_events stand_in_events = { .at = stand_in_at,
                                                           .release = stand_in_release,
                                                           .request = stand_in_request,
                                                           .reply = stand_in_reply,
                                                           .settled = stand_in_settled };

static void carry_frames(void)
{
    static char frame[KITH__FRAME_MOST];
    struct kith__out out;

    while (kith__proto_next(stand_in.proto, &out, kith__now_ns())) {
        memcpy(frame, out.head, out.head_size);
        if (out.body_size > 0)
            memcpy(frame + out.head_size, out.body, out.body_size);
        kith__proto_sent(stand_in.proto, &out, 1, kith__now_ns());
        kith__proto_receive(stand_in.proto, 0, frame, out.head_size + out.body_size, kith__now_ns());
    }
    kith__proto_tick(stand_in.proto, kith__now_ns());
}

struct talker {
    kith_queue q;
    kith_value v;
    _Atomic int at;
    int result, loaded;
    char room[100];
};

static void *talks_much(void *arg)
{
    static char item[4000];
    struct talker *t = arg;

    t->result = kith_queue_put(t->q, item, sizeof item, KITH_FOREVER);
    atomic_store(&t->at, 1);
    while (atomic_load(&t->at) == 1)
        sleep_ms(1);
    for (int i = 0; i < 1000 && t->result == 0; i++)
        t->result = kith_queue_put(t->q, item, sizeof item, KITH_FOREVER);
    atomic_store(&t->at, 3);
    while (atomic_load(&t->at) == 3)
        sleep_ms(1);
    if (t->result == 0)
        t->result = (int)kith_queue_get(t->q, t->room, 4, KITH_FOREVER);
    t->loaded = kith_value_load(t->v, 'b', t->room, 4);
    atomic_store(&t->at, 5);
    return NULL;
}

static void serve_until(struct talker *t, int at)
{
    for (int64_t begin = kith__now_ns(); atomic_load(&t->at) != at && ms_since(begin) < SOON * slowdown();) {
        kith__requests_collect(stand_in.requests, kith__now_ns());
        carry_frames();
        if (!kith__requests_go_on(stand_in.requests))
            sleep_ms(1);
    }
    REQUIRE(atomic_load(&t->at) == at);
}

/* Stopped in the middle of a turn it may hold a guard. */
static void stop_the_sleeping_agent(void)
{
    int status;

    do {
        kill(agent(), SIGCONT);
        while (atomic_load(&kith__agent_shared()->sleeps) % 2 == 0)
            sleep_ms(1);
        REQUIRE(kill(agent(), SIGSTOP) == 0);
        for (status = 0; status != 'T'; sleep_ms(1)) {
            char path[64], text[64] = "";
            int fd;

            snprintf(path, sizeof path, "/proc/%d/stat", (int)agent());
            REQUIRE((fd = open(path, O_RDONLY)) >= 0 && read(fd, text, sizeof text - 1) > 0);
            close(fd);
            status = strrchr(text, ')')[2];
        }
    } while (atomic_load(&kith__agent_shared()->sleeps) % 2 == 0);
}

static void agent_stands_back_job(void)
{
    struct kith__proto_config c = { .node = 0,
                                    .nodes = 1,
                                    .job = 5,
                                    .beat_ns = 500 * KITH__MS,
                                    .first_ns = INT64_MAX,
                                    .lost_ns = INT64_MAX,
                                    .silent_ns = INT64_MAX,
                                    .window = 2 << 20 };
    struct talker t = { .q = kith_queue_open(0), .v = kith_value_open('b', NULL, 4) };
    int busy = 0;
    pthread_t thread;

    memset(t.room, 'x', sizeof t.room);
    pthread_create(&thread, NULL, talks_much, &t);
    while (atomic_load(&t.at) != 1)
        sleep_ms(1);
    stop_the_sleeping_agent();
    REQUIRE((stand_in.proto = kith__proto_new(&c, &stand_in_events, NULL)) != NULL);
    stand_in.requests = kith__requests_new(stand_in.proto, 1);
    atomic_store(&t.at, 2);

    /* The node acknowledges nothing: the requests stay on the mailbox, and the agent need not look at them
     * again and again. */
    while (kith__proto_backlog(stand_in.proto, 0) <= 1 << 20) {
        kith__requests_collect(stand_in.requests, kith__now_ns());
        sleep_ms(1);
    }
    for (int i = 0; i < 100; i++) {
        int more = kith__requests_collect(stand_in.requests, kith__now_ns());

        sleep_ms(1);
        busy += i >= 50 && (more || kith__requests_go_on(stand_in.requests));
    }
    REQUIRE(busy == 0 && atomic_load(&t.at) == 2);
    REQUIRE(kith__proto_backlog(stand_in.proto, 0) < 2 << 20);
    serve_until(&t, 3);

    /* What is larger than what there is room for goes back, an item and a value. */
    atomic_store(&t.at, 4);
    serve_until(&t, 5);
    carry_frames();
    pthread_join(thread, NULL);
    REQUIRE(t.result == KITH_EPEER && t.room[0] == 'x' && t.room[4] == 'x' && stand_in.refused == 2);
    REQUIRE(t.loaded == KITH_EPEER && stand_in.asked == 1002);
    kith__proto_free(stand_in.proto);
    REQUIRE(kill(agent(), SIGCONT) == 0);
    REQUIRE(kith_queue_size(t.q) == 1);
    REQUIRE(kith_queue_close(t.q) == 0 && kith_value_close(t.v) == 0);
}
static void agent_waits_for_a_slow_node_and_believes_no_wrong_size(void)
{
    JOB(agent_stands_back_job);
}

/* This process as the host of calls. */
static struct {
    int replies;
    int64_t result;
} heard;

static uint64_t hear_reply(void *context, uint32_t peer, const struct kith__reply *r, const void *bytes)
{
    (void)context;
    (void)peer;
    (void)bytes;
    heard.replies++;
    heard.result = r->result;
    return 0;
}

static const struct kith__proto_events host_events = { .at = stand_in_at,
                                                       .release = stand_in_release,
                                                       .reply = hear_reply };

static int64_t ask_for_size(kith_queue q, uint64_t seat)
{
    const struct kith__request r = {
        .id = seat << 48 | 1, .op = op_of(KITH__FIFO_KIND, "size"), .object = q.id, .timeout_ms = -1
    };
    int before = heard.replies;

    REQUIRE(kith__pending_request(stand_in.pending, 0, &r, "", kith__now_ns()) == 0);
    carry_frames();
    REQUIRE(heard.replies == before + 1);
    return heard.result;
}

static void only_seats_can_ask_job(void)
{
    const struct kith__proto_config c = { .node = 0,
                                          .nodes = 1,
                                          .job = 5,
                                          .beat_ns = 500 * KITH__MS,
                                          .first_ns = INT64_MAX,
                                          .lost_ns = INT64_MAX,
                                          .silent_ns = INT64_MAX,
                                          .window = 2 << 20 };
    kith_queue q = kith_queue_open(0);

    REQUIRE((stand_in.proto = kith__proto_new(&c, &host_events, NULL)) != NULL);
    REQUIRE(kith__proto_open(stand_in.proto, 0, kith__now_ns()) == 0);
    stand_in.pending = kith__pending_new(stand_in.proto, 0, kith__seat_needed());
    REQUIRE(ask_for_size(q, 5) == 0 && ask_for_size(q, KITH__SEATS - 1) == 0 &&
            ask_for_size(q, KITH__AGENTS_OWN) == 0);
    REQUIRE(ask_for_size(q, KITH__SEATS) == KITH_EINVAL && ask_for_size(q, 0xfffe) == KITH_EINVAL);
    kith__pending_ended(stand_in.pending, 0);
    kith__proto_free(stand_in.proto);
}
static void only_seats_can_ask(void)
{
    JOB(only_seats_can_ask_job);
}

struct work {
    long long ns, waits; /* on a CPU; and how often it began to wait */
};

/* What its first thread has done so far. */
static struct work work_of(pid_t pid)
{
    struct work w = { -1, -1 };
    char path[64], line[128];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    if ((f = fopen(path, "r"))) {
        if (fscanf(f, "%lld", &w.ns) != 1)
            w.ns = -1;
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if ((f = fopen(path, "r"))) {
        while (fgets(line, sizeof line, f) && sscanf(line, "voluntary_ctxt_switches: %lld", &w.waits) != 1)
            ;
        fclose(f);
    }
    return w;
}

/* It may have been busy with its start before: one quiet second of some is enough. What a wait takes depends
   on the machine and on sanitizers, so waits are counted; the time is asked too, as who never waits counts
   none. */
static int is_quiet(pid_t pid)
{
    for (int i = 0; i < 5; i++) {
        struct work begin = work_of(pid), end;

        sleep_ms(1000);
        end = work_of(pid);
        if (begin.ns >= 0 && begin.waits >= 0 && end.ns - begin.ns < 20000000 * slowdown() &&
            end.waits - begin.waits < 30)
            return 1;
        printf("%lld us of CPU and %lld waits in a second ", (end.ns - begin.ns) / 1000,
               end.waits - begin.waits);
    }
    return 0;
}

static void idle_agent_takes_no_cpu_job(void)
{
    kith_queue q = kith_queue_open(0);
    kith_process p = kith_process_start(takes_one, KITH_ARG(q));
    int x = 0;

    await_parked(p);
    REQUIRE(is_quiet(agent()));
    REQUIRE(kith_put(q, x) == 0 && kith_process_join(p, KITH_FOREVER) == 0);
}
static void idle_agent_takes_no_cpu(void)
{
    JOB(idle_agent_takes_no_cpu_job);
}

/* With the agent's public key, which its node tells, and a pair of its own. */
static void stranger_gets_nothing_from_the_agent_job(void)
{
    const struct kith__transport *net = dlsym(kith__module("net"), "kith_net_transport");
    struct kith__wire_config c = {
        .node = 0, .nodes = 1, .frame_most = 256 << 10, .lanes = 3, .cut_ms = 1500
    };
    const struct kith__contact *contact;
    struct kith__wire *w = NULL;
    size_t size;
    int x = 1;

    contact = kith__agent_contact(&size);
    REQUIRE(size == sizeof *contact);
    REQUIRE(net->key_pair(c.public_key, c.secret_key) == 0 && (w = net->open(&c)));
    REQUIRE(net->reach(w, 0, "127.0.0.1", contact->addresses[0].ports, contact->public_key) == 0);
    for (int i = 0; i < 100; i++) {
        REQUIRE(net->send(w, 0, 0, "let me in", 9, NULL, 0) == 0);
        sleep_ms(10);
    }
    net->close(w, 0);
    {
        kith_queue q = kith_queue_open(0);

        REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0);
    }
}

/* libzmq in this process, so it must not be the one that forks later. */
static void stranger_gets_nothing_from_the_agent(void)
{
    JOB(stranger_gets_nothing_from_the_agent_job);
}

static unsigned files;

static void work_with_few_files(void)
{
    struct rlimit few = { files, files };
    int64_t begin = kith__now_ns();
    kith_queue q;
    int x = 1;

    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    setenv("KITH_TRANSPORT", "net", 1);
    kith_on_fault(NULL);
    if (kith_init(NULL, NULL) < 0)
        REQUIRE(kith_last_error()[0] != '\0');
    else {
        q = kith_queue_open(0);
        REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0 && kith_queue_close(q) == 0);
        REQUIRE(kith_finalize() == 0);
    }
    REQUIRE(ms_since(begin) < SOON * slowdown());
}

/* Where libzmq finds no descriptor for a connection it says nothing. */
static void few_files_are_enough_or_a_sentence(void)
{
    for (files = 8; files < 40; files++)
        CU_ASSERT_EQUAL(check_fork(work_with_few_files), 0);
}

enum { BIG = 3 << 20 };

static const char *variable, *value, *wanted;

static void refused_init(void)
{
    setenv(variable, value, 1);
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) < 0);
    REQUIRE(strstr(kith_last_error(), wanted) != NULL);
}

static void refuses(const char *name, const char *with, const char *sentence)
{
    variable = name;
    value = with;
    wanted = sentence;
    CU_ASSERT_EQUAL(check_fork(refused_init), 0);
}

/* Also where nothing needs an agent yet: the day it does is a bad one to find out. */
static void bad_variables_are_a_sentence(void)
{
    for (int with_agent = 0; with_agent < 2; with_agent++) {
        refuses("KITH_TRANSPORT", "pigeon", "pigeon");
        refuses("KITH_NET_SECURITY", "none", "none");
        refuses("KITH_PORTS", "99-1", "99-1");
        refuses("KITH_PORTS", "70000", "70000");
        refuses("KITH_PORTS", "50000-", "50000-");
        refuses("KITH_PORTS", "-5", "-5");
        refuses("KITH_NET", "10.0.0.1", "10.0.0.1");
        refuses("KITH_NET", "10.0.0.0/8,", "10.0.0.0/8,");
        refuses("KITH_NET", "10.0.0.0/33", "10.0.0.0/33");
        setenv("KITH_TRANSPORT", "net", 1);
    }
    refuses("KITH_MODULES", "/nowhere", "/nowhere");
    unsetenv("KITH_TRANSPORT");
}

/* Stands before that of libzmq for the module, too: the program is linked so. */
static int without_curve;

int zmq_has(const char *what);
__attribute__((visibility("default"))) int zmq_has(const char *what)
{
    return !(without_curve && strcmp(what, "curve") == 0);
}

static void libzmq_without_curve(void)
{
    kith_queue q;
    int x = 7;

    without_curve = 1;
    setenv("KITH_TRANSPORT", "net", 1);
    if (value) {
        setenv("KITH_NET_SECURITY", value, 1);
        REQUIRE(kith_init(NULL, NULL) == 0);
        q = kith_queue_open(0);
        REQUIRE(kith_put(q, x) == 0 && kith_get(q, &x) == 0);
        REQUIRE(kith_finalize() == 0);
        return;
    }
    kith_on_fault(NULL);
    REQUIRE(kith_init(NULL, NULL) == KITH_EPEER);
    REQUIRE(strstr(kith_last_error(), "built without CURVE") &&
            strstr(kith_last_error(), "KITH_NET_SECURITY=plain"));
}

static void libzmq_without_curve_is_enough_for_plain(void)
{
    value = NULL;
    CU_ASSERT_EQUAL(check_fork(libzmq_without_curve), 0);
    value = "plain";
    CU_ASSERT_EQUAL(check_fork(libzmq_without_curve), 0);
}

/* As where only what a standard of a state allows is there: all goes by CURVE, which libzmq has from
 * elsewhere. */
static void libcrypto_without_algorithms(void)
{
    static const char config[] = "openssl_conf = a\n[a]\nproviders = b\n[b]\nnull = c\n[c]\nactivate = 1\n";
    char path[] = "/tmp/kith-test-XXXXXX", *bytes = malloc(BIG);
    int fd = mkstemp(path);
    const struct kith__contact *contact;
    kith_queue q;
    size_t size;

    REQUIRE(fd >= 0 && write(fd, config, sizeof config - 1) == sizeof config - 1 && close(fd) == 0);
    setenv("OPENSSL_CONF", value ? path : "/dev/null", 1);
    setenv("KITH_TRANSPORT", "net", 1);
    REQUIRE(kith_init(NULL, NULL) == 0);
    contact = kith__agent_contact(&size);
    REQUIRE((contact->addresses[0].ports[0] == contact->addresses[0].ports[1]) == (value != NULL));
    q = kith_queue_open(0);
    memset(bytes, 3, BIG);
    REQUIRE(kith_queue_put(q, bytes, BIG, KITH_FOREVER) == 0);
    memset(bytes, 0, BIG);
    REQUIRE(kith_queue_get(q, bytes, BIG, KITH_FOREVER) == BIG && bytes[0] == 3 && bytes[BIG - 1] == 3);
    REQUIRE(kith_finalize() == 0);
    free(bytes);
    unlink(path);
}

static void libcrypto_without_algorithms_is_enough(void)
{
    value = "without";
    CU_ASSERT_EQUAL(check_fork(libcrypto_without_algorithms), 0);
    value = NULL;
    CU_ASSERT_EQUAL(check_fork(libcrypto_without_algorithms), 0);
}

static struct test tests[] = { TEST(death_of_the_agent_is_told_soon),
                               TEST(agent_that_dies_before_it_is_up_is_not_waited_for),
                               TEST(agent_that_dies_in_the_middle_harms_no_object),
                               TEST(stopped_agent_is_waited_for),
                               TEST(agent_waits_for_a_slow_node_and_believes_no_wrong_size),
                               TEST(only_seats_can_ask),
                               TEST(idle_agent_takes_no_cpu),
                               TEST(stranger_gets_nothing_from_the_agent),
                               TEST(few_files_are_enough_or_a_sentence),
                               TEST(bad_variables_are_a_sentence),
                               TEST(libzmq_without_curve_is_enough_for_plain),
                               TEST(libcrypto_without_algorithms_is_enough),
                               TEST_END };

int main(void)
{
    return run_net_tests("agent", tests);
}
