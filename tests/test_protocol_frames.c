/* test_protocol_frames.c: frames that no node of the job has sent: of other jobs, contradictory ones, and
 * random bytes. */
#include "config.h"
#include "check.h"
#include "protocol/bytes.h"
#include "protocol/net.h"

static void frame_of_another_job_is_ignored(void)
{
    struct kith__proto_config c = config_of(1, JOB + 1);
    struct kith__proto *stranger;
    struct kith__out out;

    begin_net(13);
    stranger = kith__proto_new(&c, &node_events, &nodes[1]);
    PASS(kith__proto_open(stranger, 0, net.now));
    CU_ASSERT_EQUAL(kith__proto_next(stranger, &out, net.now), 1);
    kith__proto_receive(nodes[0].proto, 1, out.head, out.head_size, net.now);
    CU_ASSERT_EQUAL(kith__proto_state(nodes[0].proto, 1), KITH__LINK_CLOSED);
    kith__proto_free(stranger);
    end_net();
}

/* Gives node 0 a frame of node 1 with that message. */
static void hear_message(struct kith__message *m, uint32_t lane, uint64_t seq, uint32_t tail_size)
{
    unsigned char *frame = calloc(1, KITH__FRAME_MOST);
    struct kith__header h = { .from = 1, .job = JOB, .lane = (uint8_t)lane, .seq = seq };

    m->tail_size = tail_size;
    h.size = (uint32_t)(KITH__HEADER_SIZE + kith__message_encode(frame + KITH__HEADER_SIZE, m)) + tail_size;
    kith__header_encode(frame, &h);
    kith__proto_receive(nodes[0].proto, 1, frame, h.size, net.now);
    free(frame);
}

static void piece_that_does_not_fit_costs_the_link(void)
{
    static const struct {
        uint64_t offset;
        uint32_t size;
        int fits;
    } pieces[] = { { 0, 1000, 1 },  { 39000, 1000, 1 }, { 39001, 1000, 0 },   { 0, 40001, 0 },
                   { 40000, 1, 0 }, { 40001, 0, 0 },    { UINT64_MAX, 2, 0 }, { 40000, 0, 1 } };
    size_t n = sizeof pieces / sizeof pieces[0];

    for (size_t i = 0; i < n; i++) {
        struct kith__message request = { .kind = KITH__MESSAGE_REQUEST,
                                         .request = { .id = 7, .size = 40000, .flags = KITH__OUTSIDE } };
        struct kith__message piece = { .kind = KITH__MESSAGE_PIECE,
                                       .piece = { .id = 7, .offset = pieces[i].offset } };

        begin_net(15);
        hear_message(&request, 0, 1, 0);
        hear_message(&piece, 1, 1, pieces[i].size);
        CU_ASSERT_EQUAL(nodes[0].ended[1], pieces[i].fits ? KITH__LINK_CLOSED : KITH__LINK_LOST);
        end_net();
        forget_peer(&nodes[0], 1);
        CU_ASSERT_EQUAL(blocks_in_use(), 0);
    }
}

static void sizes_that_contradict_each_other_cost_the_link(void)
{
    static const struct {
        uint64_t size;
        uint32_t tail;
        uint16_t flags;
    } requests[] = { { 10, 9, 0 },
                     { 10, 11, 0 },
                     { UINT64_MAX, 0, 0 },
                     { 100, 0, KITH__OUTSIDE },
                     { 50000, 10, KITH__OUTSIDE } };

    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct kith__message m = { .kind = KITH__MESSAGE_REQUEST,
                                   .request = {
                                       .id = 7, .size = requests[i].size, .flags = requests[i].flags } };

        begin_net(16);
        hear_message(&m, 0, 1, requests[i].tail);
        CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
        CU_ASSERT_EQUAL(carried_out, 0);
        end_net();
    }
}

static void acknowledgement_of_what_was_never_sent_costs_the_link(void)
{
    unsigned char frame[KITH__HEADER_SIZE];
    struct kith__header h = { .from = 1, .job = JOB, .size = KITH__HEADER_SIZE, .ack = { { 0, 1, 0 } } };

    begin_net(17);
    kith__header_encode(frame, &h);
    kith__proto_receive(nodes[0].proto, 1, frame, sizeof frame, net.now);
    CU_ASSERT_EQUAL(nodes[0].ended[1], KITH__LINK_LOST);
    end_net();
}

/* A message that is nearly right behind the header: the frame's size. 0: one whose answer is the agent's to
 * sort out. */
static size_t some_message(unsigned char *frame)
{
    struct kith__message m = { .kind = (enum kith__message_kind)draw(KITH__MESSAGE_KINDS) };
    size_t size;

    m.request.id = draw(4);
    m.request.size = draw(2) ? draw(100) : KITH__INLINE_MOST + draw(100000);
    m.request.flags = (uint16_t)draw(2);
    if (m.kind == KITH__MESSAGE_PIECE)
        m.piece = (struct kith__piece){ draw(4), draw(2) ? 0 : draw(UINT64_MAX), (uint8_t)draw(2) };
    if (m.kind == KITH__MESSAGE_REPLY || m.kind == KITH__MESSAGE_SETTLE)
        return 0;
    m.tail_size = draw(2) ? (uint32_t)m.request.size : (uint32_t)draw(200);
    size = KITH__HEADER_SIZE + kith__message_encode(frame + KITH__HEADER_SIZE, &m) + draw(2) * m.tail_size;
    return size > KITH__FRAME_MOST ? KITH__FRAME_MOST : size;
}

/* Its size; 0: none this time. */
static size_t some_frame(unsigned char *frame)
{
    struct kith__header h = { .from = 1, .job = JOB, .lane = (uint8_t)draw(KITH__LANES) };
    size_t size = KITH__HEADER_SIZE + draw(300);

    for (size_t i = 0; i < size; i++)
        frame[i] = draw(3) ? 0 : (unsigned char)draw(256);
    if (draw(8) && (size = some_message(frame)) == 0)
        return 0;
    h.size = (uint32_t)(draw(20) ? size : draw(1000));
    h.seq = draw(4);
    h.ack.of[draw(3)] = draw(20) ? 0 : draw(10);
    kith__header_encode(frame, &h);
    if (draw(10) == 0)
        frame[draw(size)] ^= (unsigned char)(1 << draw(8));
    return size;
}

/* Sound frames with a few bytes changed, and random ones: no crash, and no memory but its own (address
 * sanitizer). */
static void fuzzed_frames_do_no_harm(void)
{
    unsigned char *frame = malloc(KITH__FRAME_MOST);
    uint64_t most = getenv("KITH_TEST_LONG") ? 2000000 : 100000;
    struct kith__out out;

    begin_net(14);
    hears_anything = 1;
    for (uint64_t round = 0; round < most; round++) {
        size_t size;

        if (round % 64 == 0) {
            end_net();
            for (int i = 0; i < NODES; i++)
                forget_peer(&nodes[i], 1);
            begin_net(round + 14);
        }
        if ((size = some_frame(frame)) == 0)
            continue;
        nodes[0].ended[1] = KITH__LINK_CLOSED;
        memset(nodes[0].served.last, 0, sizeof nodes[0].served.last);
        kith__proto_receive(nodes[0].proto, 1, frame, size, net.now);
        while (kith__proto_next(nodes[0].proto, &out, net.now))
            kith__proto_sent(nodes[0].proto, &out, 1, net.now);
        drop_given(&nodes[0], 1);
    }
    end_net();
    hears_anything = 0;
    free(frame);
}

static struct test tests[] = { TEST(frame_of_another_job_is_ignored),
                               TEST(piece_that_does_not_fit_costs_the_link),
                               TEST(sizes_that_contradict_each_other_cost_the_link),
                               TEST(acknowledgement_of_what_was_never_sent_costs_the_link),
                               TEST(fuzzed_frames_do_no_harm),
                               TEST_END };

int main(void)
{
    return run_tests("protocol_frames", tests);
}
