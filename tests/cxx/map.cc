// The templates of kith.h: what C++ programs call instead of the macros. Built and run by cxx_map.sh.
#include <kith.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

struct point {
    double x, y;
};

static int norm(const void *in, void *out)
{
    const point *p = static_cast<const point *>(in);

    *static_cast<double *>(out) = std::hypot(p->x, p->y);
    return 0;
}

static double half(int x)
{
    return x / 2.0;
}

static long sum3(long a, long b, long c)
{
    return a + b + c;
}

static int refuse(int x)
{
    return x < 3 ? x : kith_fail(7, "%d is too much", x);
}

static int spell(const void *in, kith_bytes *out)
{
    const int n = *static_cast<const int *>(in);

    return kith_bytes_set(out, &"xxx"[3 - n], static_cast<size_t>(n) + 1);
}

namespace deep {
namespace {
int leaf(int x)
{
    return x;
}
} // namespace
} // namespace deep

static double scaled(kith_value v, double x, const char *text)
{
    double y = 0;

    kith_load(v, &y);
    return x * y + static_cast<double>(std::strlen(text));
}

static void tell(const char *text, kith_queue q, double x, const kith_value v)
{
    kith_add(v, x);
    kith_queue_put(q, text, std::strlen(text) + 1, KITH_FOREVER);
}

int main(int argc, char **argv)
{
    double in[3] = { 1, 4, 9 }, out[3], pairs[2][2] = { { 2, 3 }, { 3, 2 } }, y;
    const double fixed[2] = { 16, 25 };
    int numbers[3] = { 1, 2, 3 }, rc;
    long rows[2][3] = { { 1, 2, 3 }, { 4, 5, 6 } }, sums[2];
    point points[2] = { { 3, 4 }, { 6, 8 } };
    kith_fault fault;

    std::set_terminate(std::abort); // says nothing
    kith_init(&argc, &argv);
    kith_on_fault(nullptr);
    kith_pool pool = kith_pool_open(2);
    rc = kith_map(pool, std::sqrt, in, out, 3);
    printf("map %d: %g %g %g\n", rc, out[0], out[1], out[2]);
    rc = kith_map(pool, std::sqrt, fixed, out, 2);
    printf("map of constants %d: %g %g\n", rc, out[0], out[1]);
    rc = kith_map(pool, half, numbers, out, 3);
    printf("map of int %d: %g %g %g\n", rc, out[0], out[1], out[2]);
    rc = kith_map(pool, norm, points, out, 2);
    printf("map of structs %d: %g %g\n", rc, out[0], out[1]);
    rc = kith_map(pool, +[](double x) { return x * x; }, in, out, 3);
    printf("map with a lambda %d: %g %g %g\n", rc, out[0], out[1], out[2]);
    rc = kith_starmap(pool, sum3, rows, sums, 2);
    printf("starmap %d: %ld %ld\n", rc, sums[0], sums[1]);
    rc = kith_starmap(pool, std::pow, pairs, out, 2);
    printf("starmap of <cmath> %d: %g %g\n", rc, out[0], out[1]);
    kith_bytes words[3];
    rc = kith_map(pool, spell, numbers, words, 3);
    printf("map of bytes %d: %s %s %zu\n", rc, static_cast<char *>(words[0].data), static_cast<char *>(words[2].data), words[2].size);
    kith_bytes_free(words, 3);
    const double costs[] = { 1, 3, 2 };
    rc = kith_map_costs(pool, half, numbers, out, 3, costs);
    printf("map of costs %d: %g %g %g\n", rc, out[0], out[1], out[2]);
    rc = kith_apply(pool, std::pow, &y, 2, 10);
    printf("apply %d: %g\n", rc, y);
    rc = kith_apply(pool, half, &y, 5);
    printf("apply of int %d: %g\n", rc, y);
    rc = kith_apply(pool, sum3, sums, 1, 2, 3);
    printf("apply of three %d: %ld\n", rc, sums[0]);
    rc = kith_map(pool, refuse, numbers, numbers, 3);
    printf("%s", rc == KITH_ETASK && kith_last_fault(&fault, 0) == 0 ? fault.text : "no fault");
    printf(" %d %d\n", numbers[0], numbers[2]);
    kith_value shared = kith_value_of(2.5), whole = kith_value_of(40L), place = kith_value_open('b', points, sizeof *points);
    double before, now;
    long fortytwo = 0;
    kith_add(shared, 0.5);
    kith_update(shared, KITH_MAX, 7.0, &before);
    kith_load(shared, &now);
    rc = kith_compare_exchange(shared, &now, 1.0);
    kith_add(whole, 2L);
    kith_load(whole, &fortytwo);
    kith_load(place, &points[1]);
    printf("value %d: %g %g %ld (%g, %g)\n", rc, before, now, fortytwo, points[1].x, points[1].y);
    kith_array array = kith_array_of(numbers), bytes = kith_array_open('b', 3);
    char text[3] = { 'a', 'b', 'c' };
    kith_store_at(array, 1, 8);
    kith_add_at(array, 2, 1);
    kith_load_slice(array, 0, numbers, 3);
    kith_store_slice(bytes, 0, text, 3);
    kith_load_slice(bytes, 2, text, 1);
    printf("array %d %d %c\n", numbers[1], numbers[2], text[0]);
    kith_result one = kith_apply_async(pool, sum3, 1, 2, 3);
    kith_result raised = kith_apply_async(pool, +[](double a, double b) { return std::pow(a, b); }, 2, 5);
    kith_result all = kith_map_async(pool, std::sqrt, in, out, 3), many = kith_starmap_async(pool, sum3, rows, sums, 2);
    long one_sum = 0;
    rc = kith_get(one, &one_sum) + kith_get(raised, &y) + kith_result_get(all, nullptr, 0, KITH_FOREVER);
    rc += kith_result_get(many, nullptr, 0, KITH_FOREVER);
    printf("async %d: %ld %g, %g %g %g, %ld %ld\n", rc, one_sum, y, out[0], out[1], out[2], sums[0], sums[1]);
    kith_iter it = kith_imap(pool, half, numbers, 1);
    rc = kith_next(it, &y);
    const int ends = kith_next(it, &before) == KITH_EEND;
    printf("imap %d: %g %d\n", rc, y, ends);
    kith_iter_close(it);
    kith_dict dict = kith_dict_open();
    kith_list list = kith_list_open();
    long count = 0;
    kith_set(dict, "count", 40L);
    kith_inc(dict, "count", 2L);
    kith_set(dict, short(3), "three");
    kith_dict_set(dict, KITH_TEXT("point"), KITH_ARG(points[0]));
    kith_append(list, 0.5);
    kith_extend(list, &now, 0);
    now = 1.5;
    kith_extend(list, &now, 1);
    kith_fetch(dict, "count", &count);
    kith_fetch(dict, "point", &points[1]);
    rc = kith_fetch(list, -1, &now);
    printf("dict %d: %ld %g (%g, %g)\n", rc, count, now, points[1].x, points[1].y);
    kith_queue queue = kith_queue_open(0);
    char said[10];
    rc = kith_process_join(kith_start(tell, "hello", queue, 2, shared), KITH_FOREVER);
    rc += kith_process_join(kith_start(+[](kith_list l, int n) { kith_append(l, n); }, list, 5), KITH_FOREVER);
    kith_queue_get(queue, said, sizeof said, 0);
    kith_load(shared, &now);
    kith_fetch(list, -1, numbers);
    printf("start %d: %s %g %d\n", rc, said, now, numbers[0]);
    rc = kith_apply(pool, scaled, &y, shared, 2, "four");
    rc += kith_get(kith_apply_async(pool, scaled, shared, 4, "six"), &now);
    kith_result quiet = kith_apply_async(pool, tell, "again", queue, 1, shared);
    rc += kith_result_get(quiet, nullptr, 0, KITH_FOREVER);
    kith_queue_get(queue, said, sizeof said, 0);
    printf("apply of handles %d: %g %g %s\n", rc, y, now, said);
    kith_process named[] = { kith_start(deep::leaf, 1), kith_start(+[](int) {}, 1), kith_start(std::terminate) };
    char names[3][64];
    for (int i = 0, code; i < 3; i++) {
        kith_process_join(named[i], KITH_FOREVER);
        kith_process_exitcode(named[i], &code);
        kith_process_name(named[i], names[i], sizeof names[i]);
        *std::strrchr(names[i], '-') = '\0';
    }
    rc = kith_map(pool, refuse, numbers, numbers, 1); // they are 5 and above by now
    printf("names %d: %s %s %s %s\n", rc == KITH_ETASK && kith_last_fault(&fault, 0) == 0, names[0], names[1], names[2],
           fault.function);
    kith_pool_close(pool);
    return kith_finalize();
}
