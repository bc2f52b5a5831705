/* test_address.c: which addresses a node offers, and which one another takes. */
#include "config.h"
#include "check.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <sys/stat.h>

static struct kith__address address(const char *text, int prefix)
{
    struct kith__address p = { .is_v6 = strchr(text, ':') != NULL, .prefix = (uint8_t)prefix };

    CU_ASSERT_EQUAL_FATAL(inet_pton(p.is_v6 ? AF_INET6 : AF_INET, text, p.address), 1);
    return p;
}

static int in(const char *nets, const char *text)
{
    struct kith__address p = address(text, 24);

    return kith__net_in(nets, &p);
}

static void nets_hold_their_addresses(void)
{
    CU_ASSERT_EQUAL(in("10.0.0.0/8", "10.255.3.4"), 1);
    CU_ASSERT_EQUAL(in("10.0.0.0/8", "11.0.0.1"), 0);
    CU_ASSERT_EQUAL(in("192.168.4.0/22", "192.168.7.255"), 1);
    CU_ASSERT_EQUAL(in("192.168.4.0/22", "192.168.8.0"), 0);
    CU_ASSERT_EQUAL(in("0.0.0.0/0", "1.2.3.4"), 1);
    CU_ASSERT_EQUAL(in("1.2.3.4/32", "1.2.3.4"), 1);
    CU_ASSERT_EQUAL(in("1.2.3.4/32", "1.2.3.5"), 0);
    CU_ASSERT_EQUAL(in("fd00::/8", "fd12::1"), 1);
    CU_ASSERT_EQUAL(in("fd00::/8", "10.0.0.1"), 0);
    CU_ASSERT_EQUAL(in("10.0.0.0/8,fd00::/8", "fd12::1"), 1);
    CU_ASSERT_EQUAL(in("172.16.0.0/12,10.0.0.0/8", "10.0.0.1"), 1);
}

static void nets_that_make_no_sense_are_refused(void)
{
    static const char *const bad[] = { "10.0.0.0", "10.0.0.0/33", "10.0.0/8",    "10.0.0.0/",  "10.0.0.0/8,",
                                       "eth0",     "fd00::/129",  "10.0.0.0/8x", "10.0.0.0/-1" };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAILS_WITH(KITH_EINVAL, in(bad[i], "10.0.0.1"));
        CU_ASSERT_PTR_NOT_NULL(strstr(kith_last_error(), bad[i]));
    }
}

/* A directory like /sys with what the kernel shows of interfaces. */
static void make_interface(const char *root, const char *name, const char *what)
{
    char path[512];

    snprintf(path, sizeof path, "mkdir -p '%s/class/net/%s/%s'", root, name, what);
    CU_ASSERT_EQUAL(system(path), 0);
}

static void bridges_and_containers_are_left_out(void)
{
    char root[] = "/tmp/kith-sys-XXXXXX", command[64];

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
    make_interface(root, "eth0", "statistics");
    make_interface(root, "switch", "bridge");
    make_interface(root, "tap3", "brport");
    make_interface(root, "docker0", "bridge");
    CU_ASSERT(kith__net_is_real(root, "eth0"));
    CU_ASSERT(kith__net_is_real(root, "ib0"));
    CU_ASSERT(kith__net_is_real(root, "enp3s0"));
    CU_ASSERT(!kith__net_is_real(root, "switch"));
    CU_ASSERT(!kith__net_is_real(root, "tap3"));
    CU_ASSERT(!kith__net_is_real(root, "docker0"));
    CU_ASSERT(!kith__net_is_real(root, "br-0a1b2c"));
    CU_ASSERT(!kith__net_is_real(root, "virbr0"));
    CU_ASSERT(!kith__net_is_real(root, "veth12ab"));
    snprintf(command, sizeof command, "rm -r %s", root);
    CU_ASSERT_EQUAL(system(command), 0);
}

/* ------------------------------------------------------------------- choosing */

static struct kith__address addresses[4 * KITH__ADDRESSES];
static int counts[4];

static void node_has(int node, const char *text, int prefix)
{
    addresses[node * KITH__ADDRESSES + counts[node]++] = address(text, prefix);
}

static void begin(void)
{
    memset(addresses, 0, sizeof addresses);
    memset(counts, 0, sizeof counts);
}

/* The text of the address of to that from takes. */
static const char *chosen(int from, int to)
{
    static char text[KITH__ADDRESS_TEXT];
    int popularity[KITH__ADDRESSES], i;

    kith__net_popularity(addresses, counts, 4, to, popularity);
    i = kith__net_choose(addresses, counts, from, to, popularity);
    if (i < 0)
        return "none";
    kith__address_text(&addresses[to * KITH__ADDRESSES + i], text);
    return text;
}

static void subnet_in_common_is_taken(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        char own[32], shared[32];

        snprintf(own, sizeof own, "172.20.%d.1", i);
        snprintf(shared, sizeof shared, "10.77.0.%d", i + 1);
        node_has(i, own, 24);
        node_has(i, shared, 24);
    }
    CU_ASSERT_STRING_EQUAL(chosen(0, 1), "10.77.0.2");
    CU_ASSERT_STRING_EQUAL(chosen(3, 0), "10.77.0.1");
}

/* The docker0 that hangs other programs, should its name not give it away. */
static void address_that_several_nodes_have_is_avoided(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        char shared[32];

        snprintf(shared, sizeof shared, "192.168.%d.9", i);
        node_has(i, "172.17.0.1", 16);
        node_has(i, shared, 24);
    }
    CU_ASSERT_STRING_EQUAL(chosen(0, 1), "192.168.1.9");
    CU_ASSERT_STRING_EQUAL(chosen(2, 2), "192.168.2.9");
}

static void subnet_of_most_nodes_comes_first(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        char pair[32], all[32];

        snprintf(pair, sizeof pair, "10.1.%d.%d", i / 2, i + 1);
        snprintf(all, sizeof all, "10.2.0.%d", i + 1);
        node_has(i, pair, 24);
        node_has(i, all, 24);
    }
    CU_ASSERT_STRING_EQUAL(chosen(0, 1), "10.2.0.2");
    CU_ASSERT_STRING_EQUAL(chosen(0, 3), "10.2.0.4");
}

static void nodes_without_a_common_subnet_use_a_router(void)
{
    begin();
    for (int i = 0; i < 4; i++) {
        char text[32];

        snprintf(text, sizeof text, "10.%d.0.1", i);
        node_has(i, text, 24);
    }
    CU_ASSERT_STRING_EQUAL(chosen(0, 3), "10.3.0.1");
}

static void own_addresses_are_found(void)
{
    struct kith__address out[KITH__ADDRESSES];
    int n;

    setenv("KITH_NET", "203.0.113.0/24", 1);
    FAILS_WITH(KITH_EPEER, kith__net_addresses(out));
    setenv("KITH_NET", "nonsense", 1);
    n = kith__net_addresses(out);
    CU_ASSERT(n == KITH_EINVAL || n == KITH_EPEER); /* EPEER where there is nothing to compare it with */
    unsetenv("KITH_NET");
    n = kith__net_addresses(out);
    CU_ASSERT(n == KITH_EPEER || (n > 0 && n <= KITH__ADDRESSES));
    for (int i = 0; i < n; i++)
        CU_ASSERT(out[i].interface[0] && strcmp(out[i].interface, "lo") != 0 && out[i].ports[0] == 0);
}

static struct test tests[] = { TEST(nets_hold_their_addresses),
                               TEST(nets_that_make_no_sense_are_refused),
                               TEST(bridges_and_containers_are_left_out),
                               TEST(subnet_in_common_is_taken),
                               TEST(address_that_several_nodes_have_is_avoided),
                               TEST(subnet_of_most_nodes_comes_first),
                               TEST(nodes_without_a_common_subnet_use_a_router),
                               TEST(own_addresses_are_found),
                               TEST_END };

int main(void)
{
    return run_tests("address", tests);
}
