/* ssh.h: how kith calls ssh, and what its failures mean. */
#ifndef KITH_SSH_H
#define KITH_SSH_H

#include "hosts.h"
#include "line.h"

enum { SSH_CONNECT_S = 3 };

/* Adds the words that run command on a host, without a question and without waiting long for an answer. */
void ssh_words(struct line *l, const struct host *h, const char *command);

/* What ssh has written to stderr before it ended with that status, as a sentence with the cure. */
void ssh_explain(const struct host *h, int status, const char *text, char *sentence, size_t room);

#endif
