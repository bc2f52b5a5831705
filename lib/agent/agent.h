/* agent.h: the node agent: a process that the fork server forks, which runs no user code, and alone talks to
 * other nodes. How it is started and stopped is in rpc/agent_control.h. */
#ifndef KITH_AGENT_H
#define KITH_AGENT_H

#include <stdint.h>

/* What a member of role KITH__AGENT does; returns its exit status. And what the fork server does when it has
 * ended. */
int kith__agent_main(uint32_t who);
void kith__agent_exited(void);

#endif
