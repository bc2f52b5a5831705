/* A library of tasks, built several times with another FACTOR: see tests/reload.sh. */

int task(int x);
int (*inner_task(void))(int);

int task(int x)
{
    return FACTOR * x;
}

static int inner(int x)
{
    return FACTOR * x + 1;
}

int (*inner_task(void))(int)
{
    return inner;
}
