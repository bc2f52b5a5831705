/* A module of Lua that computes with a pool of kith's; see tests/embed.sh. What it needs of Lua's API is
 * declared here, as it is the same from Lua 5.1 on, LuaJIT included, and the test needs no headers then. */
#include <kith.h>
#include <stddef.h>

typedef struct lua_State lua_State;
ptrdiff_t luaL_checkinteger(lua_State *L, int index);
void lua_pushinteger(lua_State *L, ptrdiff_t n);
void lua_pushcclosure(lua_State *L, int (*fn)(lua_State *L), int n);
int luaL_error(lua_State *L, const char *format, ...);
int luaopen_module(lua_State *L);

enum { MOST = 1000 };

static long square(long x)
{
    return x * x;
}

/* Returns to Lua the sum of the squares of 1 to n. */
static int sum_of_squares(lua_State *L)
{
    ptrdiff_t n = luaL_checkinteger(L, 1);
    long x[MOST], y[MOST], sum = 0;
    kith_pool pool;

    if (n < 0 || n > MOST)
        return luaL_error(L, "0 to %d squares", (int)MOST);
    for (int i = 0; i < n; i++)
        x[i] = i + 1;
    pool = kith_pool_open(2);
    if (kith_map(pool, square, x, y, (size_t)n) != 0)
        return luaL_error(L, "%s", kith_last_error());
    for (int i = 0; i < n; i++)
        sum += y[i];
    kith_pool_close(pool);
    lua_pushinteger(L, sum);
    return 1;
}

/* What require calls. The end of the program ends the job. */
int luaopen_module(lua_State *L)
{
    kith_on_fault(NULL);
    if (kith_init(NULL, NULL) < 0)
        return luaL_error(L, "%s", kith_last_error());
    lua_pushcclosure(L, sum_of_squares, 0);
    return 1;
}
