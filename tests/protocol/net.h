/* net.h: the nodes on a network (weather.h), with a clock that the test moves. */
#ifndef PROTOCOL_NET_H
#define PROTOCOL_NET_H

#include "node.h"
#include "weather.h"

void begin_net(uint64_t seed); /* calm, with nodes that have said nothing */
void end_net(void);

/* Lets so much time pass; asking: the nodes ask what they want at least each so many ms; 0: nobody asks. */
void pass(int64_t duration_ms, int asking);
void skip(int64_t duration_ms); /* the clock alone */

/* By hand: what is due arrives; when the next one does. */
int64_t deliver(void);

/* Each seat wants so many calls: how many that are; how many were not yet asked. */
uint64_t want(uint64_t calls);
uint64_t left_to_ask(void);

void say_goodbye(void);    /* node 0 ends the job, and all leave */
void all_is_settled(void); /* no link is lost, and what was taken is what was given */

#endif
