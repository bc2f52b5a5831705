/* A program that knows nothing of kith: host PLUGIN [loadonly]: loads it, calls its run, unloads it, twice.
 * See tests/embed.sh. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 0; i < 2; i++) {
        void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        int (*run)(int);

        if (!lib) {
            puts(dlerror());
            return 9;
        }
        *(void **)&run = dlsym(lib, "run");
        if (argc == 2 && run(i) != 0)
            return 8;
        dlclose(lib);
    }
    puts("host ends");
    return 0;
}
