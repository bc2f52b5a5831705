/* empty: the least that a program of kith does, to be timed from outside. */
#include "config.h"

#include "kith.h"

int main(int argc, char **argv)
{
    kith_init(&argc, &argv);
    return kith_finalize();
}
