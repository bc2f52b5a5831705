/* spell: numbers in words. Each result has a size of its own.
 *
 *     ./spell
 *     mpirun -n 4 ./spell
 */
#include <kith.h>
#include <stdio.h>
#include <string.h>

static int spell(const void *number, kith_bytes *words)
{
    static const char *const digits[] = { "zero", "one", "two",   "three", "four",
                                          "five", "six", "seven", "eight", "nine" };
    char decimal[24], text[256] = "";

    snprintf(decimal, sizeof decimal, "%d", *(const int *)number);
    for (const char *c = decimal; *c; c++) {
        strcat(text, c == decimal ? "" : "-");
        strcat(text, digits[*c - '0']);
    }
    return kith_bytes_set(words, text, strlen(text) + 1);
}

int main(int argc, char **argv)
{
    int numbers[] = { 7, 42, 1989, 31415926, 0 };
    kith_bytes words[5];

    kith_init(&argc, &argv);
    kith_pool pool = kith_pool_open(0);

    kith_map(pool, spell, numbers, words, 5);
    for (int i = 0; i < 5; i++)
        printf("%d: %s\n", numbers[i], (char *)words[i].data);
    kith_bytes_free(words, 5);
    kith_pool_close(pool);
    return kith_finalize();
}
