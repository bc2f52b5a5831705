/* ssh.c: see ssh.h. The texts are those of OpenSSH. */
#include "config.h"
#include "ssh.h"

#include <stdio.h>
#include <string.h>

void ssh_words(struct line *l, const struct host *h, const char *command)
{
    line_add(l, "ssh");
    line_add_two(l, "-o", "BatchMode=yes");
    line_add(l, "-o");
    line_add_format(l, "ConnectTimeout=%d", SSH_CONNECT_S);
    if (h->user)
        line_add_two(l, "-l", h->user);
    line_add_two(l, h->name, command);
}

/* The last line that says something, and its length. */
static const char *last_line(const char *text, int *length)
{
    size_t n = strlen(text), begin;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    for (begin = n; begin > 0 && text[begin - 1] != '\n'; begin--)
        ;
    *length = (int)(n - begin);
    return text + begin;
}

/* "ssh: connect to host node2 port 77: Connection refused" */
static const char *port_of(const char *text, char port[8])
{
    const char *at = strstr(text, " port ");

    snprintf(port, 8, "%.*s", at ? (int)strspn(at + 6, "0123456789") : 2, at ? at + 6 : "22");
    return port;
}

void ssh_explain(const struct host *h, int status, const char *text, char *sentence, size_t room)
{
    char port[8];
    int length;
    const char *line = last_line(text, &length);

    if (status == 127 && length == 0)
        snprintf(sentence, room, "ssh is missing here: apt install openssh-client");
    else if (strstr(text, "Could not resolve hostname"))
        snprintf(sentence, room, "no host of this name is known: correct it, or add it to /etc/hosts");
    else if (strstr(text, "Connection refused"))
        snprintf(sentence, room, "nothing listens on port %s: install and start its ssh server",
                 port_of(text, port));
    else if (strstr(text, "timed out"))
        snprintf(sentence, room,
                 "no answer from port %s for %d s: the host is down, or a firewall is between",
                 port_of(text, port), SSH_CONNECT_S);
    else if (strstr(text, "IDENTIFICATION HAS CHANGED"))
        snprintf(sentence, room,
                 "its ssh host key is not the one known here: if that is right, ssh-keygen -R %s", h->name);
    else if (strstr(text, "Host key verification failed"))
        snprintf(sentence, room, "its ssh host key is not known here: run ssh %s once and answer yes",
                 h->name);
    else if (strstr(text, "Permission denied"))
        snprintf(sentence, room, "ssh cannot log in without a password: ssh-copy-id %s", h->name);
    else if (status >= 0 && status < 126) /* of a shell, as ssh's own is 255 */
        snprintf(sentence, room,
                 "a login there ends with status %d before it runs anything: what it reads first, such as "
                 "~/.bashrc, must not exit, or start another shell",
                 status);
    else if (length == 0)
        snprintf(sentence, room, "ssh %s fails with status %d", h->name, status);
    else
        snprintf(sentence, room, "ssh %s fails: %.*s", h->name, length, line);
}
