/* The text of kith_fail is checked as that of printf. wrong: warning */
#include <kith.h>

int main(void)
{
#ifdef WRONG
    return kith_fail(3, "row %s", 17);              /* here */
#else
    return kith_fail(3, "row %d", 17);
#endif
}
