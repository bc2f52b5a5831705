/* mpirun_messages.c: see mpirun_messages.h. The texts are those of Open MPI 4.0 to 4.1 and MPICH 4.0, and
 * some of Open MPI 5, which calls itself prterun; what is not known passes as it is. */
#include "config.h"
#include "mpirun_messages.h"
#include "local_host.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { FIELD = 200 };

static int starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The rest of the line behind name, without space around; "?" when name is not in text. */
static const char *field(const char *text, const char *name, char out[FIELD])
{
    const char *at = strstr(text, name);
    size_t n;

    snprintf(out, FIELD, "?");
    if (!at)
        return out;
    at += strlen(name);
    at += strspn(at, " \t");
    n = strcspn(at, "\r\n");
    while (n > 0 && at[n - 1] == ' ')
        n--;
    snprintf(out, FIELD, "%.*s", (int)n, at);
    return out;
}

/* The text with one blank for each run of space: versions break their lines at other places. */
static const char *flat(const char *text, char out[FILTER_ROOM + 1])
{
    size_t used = 0;

    for (; *text && used < FILTER_ROOM; text++)
        if (!strchr(" \t\r\n", *text))
            out[used++] = *text;
        else if (used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
    out[used] = '\0';
    return out;
}

/* The number behind name; 0 when there is none. */
static int number(const char *text, const char *name)
{
    char value[FIELD];

    return atoi(field(text, name, value));
}

static void died(struct mpirun_messages *w, const char *who, int signal)
{
    w->signal = signal;
    if (!w->asked && !w->said++)
        log_line("%s was killed by signal %d (%s)", who, signal, strsignal(signal));
}

/* ---- Open MPI: a line of dashes, the text, a line of dashes */

static const char dashes[] = "--------------------------------------------------------------------------";

static void no_executable(struct mpirun_messages *w, const char *text)
{
    char program[FIELD], node[FIELD];

    w->status = EXIT_NOT_FOUND;
    if (!w->said++)
        log_line("%s: it is not on %s, or cannot be executed there: the program must be on each host under "
                 "the same path",
                 field(text, "Executable:", program), field(text, "Node:", node));
}

static void execve_failed(struct mpirun_messages *w, const char *text)
{
    char program[FIELD], node[FIELD], error[FIELD];

    w->status = EXIT_NOT_EXECUTABLE;
    if (w->said++)
        return;
    field(text, "Application name:", program);
    field(text, "Local host:", node);
    if (strcmp(field(text, "Error:", error), "Exec format error") == 0)
        log_line("%s: it is not a program for %s, nor a script that begins with #!", program, node);
    else
        log_line("%s: it cannot be executed on %s: %s", program, node, error);
}

static void not_started(struct mpirun_messages *w, const char *text)
{
    char name[FIELD], node[FIELD];

    if (!w->status)
        w->status = EXIT_NOT_EXECUTABLE;
    if (!w->said++)
        log_line("the program could not be started on %s: %s", field(text, "Node:", node),
                 field(text, "Error name:", name));
}

static void no_directory(struct mpirun_messages *w, const char *text)
{
    char directory[FIELD], node[FIELD];

    w->status = EXIT_OURS;
    if (!w->said++)
        log_line(
            "%s: this directory is not on %s, and ranks start where kith run does: create it there, or go "
            "to one that all have",
            field(text, "Working directory:", directory), field(text, "Node:", node));
}

static const char other_place[] = "or let OMPI_MCA_orte_tmpdir_base name a directory that all hosts have";

/* "/tmp/ompi.node2.1000": the host, "" when it is this one. */
static void host_of_session(const char *directory, char host[FIELD])
{
    const char *at = strstr(directory, "/ompi."), *end;

    snprintf(host, FIELD, "%s", at ? at + strlen("/ompi.") : "");
    host[strcspn(host, "/")] = '\0';
    if ((end = strrchr(host, '.')))
        host[end - host] = '\0';
    if (local_host_is(host))
        *host = '\0';
}

static void no_session(struct mpirun_messages *w, const char *text)
{
    char directory[FIELD], host[FIELD];

    w->status = EXIT_OURS;
    if (w->said++)
        return;
    host_of_session(field(text, "Directory:", directory), host);
    if (*host)
        log_line("%s: %s: mpirun must write there and may not, or it is full: make room, %s", host, directory,
                 other_place);
    else
        log_line("%s: mpirun must write there and may not, or it is full: set TMPDIR to another directory",
                 directory);
}

/* "[node2:00184] PMIX ERROR: OUT-OF-RESOURCE in file ...": of its daemon there. */
static void no_room(struct mpirun_messages *w, const char *line)
{
    w->status = EXIT_OURS;
    if (!w->said++)
        log_line("%.*s: the directory for temporary files (TMPDIR, or /tmp) is full, and mpirun has files of "
                 "its own there: make room, %s",
                 (int)strcspn(line + 1, ":]"), line + 1, other_place);
}

/* The job goes on. */
static void no_shared_memory(struct mpirun_messages *w, const char *text)
{
    char node[FIELD];

    (void)w;
    log_line("%s: /dev/shm is full, so ranks there reach each other more slowly by MPI, or not at all: "
             "remove what is "
             "left in it, or give the container more (--shm-size)",
             field(text, "Local host:", node));
}

static void no_ssh(struct mpirun_messages *w, const char *text)
{
    (void)text;
    w->status = EXIT_OURS;
    if (!w->said++)
        log_line("ssh is not in PATH here, by which mpirun starts ranks on other hosts: apt install "
                 "openssh-client");
}

static void no_slots(struct mpirun_messages *w, const char *text)
{
    w->status = EXIT_OURS;
    if (!w->said++)
        log_line("-n: there are fewer than %d slots: ask for fewer ranks, give the hosts more, or add "
                 "--oversubscribe",
                 number(text, "satisfy the"));
}

static void no_daemons(struct mpirun_messages *w, const char *text)
{
    (void)text;
    if (w->stands) /* one has ended before mpirun has told it to: so it looks at their ssh */
        return;
    w->status = EXIT_OURS;
    w->unreachable = 1;
}

static void lost_daemon(struct mpirun_messages *w, const char *text)
{
    char node[FIELD];

    field(strstr(text, "Remote daemon:") ? strstr(text, "Remote daemon:") : text, " on node ", node);
    if (!w->stands && !w->said++)
        log_line("%s is lost: the host is down, or the network to it, and the job ended with it", node);
}

/* "mpirun noticed that process rank 0 with PID 0 on node vm exited on signal 6 (Aborted)." */
static void signalled(struct mpirun_messages *w, const char *given)
{
    char node[FIELD], who[FIELD + 32], line[FILTER_ROOM + 1];
    const char *text = flat(given, line);

    field(text, "on node ", node);
    node[strcspn(node, " ")] = '\0';
    snprintf(who, sizeof who, "rank %d on %s", number(text, "process rank "), node);
    died(w, who, number(text, "exited on signal "));
}

static void no_finalize(struct mpirun_messages *w, const char *text)
{
    if (!w->said++)
        log_line("rank %d ended after MPI_Init without MPI_Finalize, so the job was ended",
                 number(text, "process rank "));
}

/* The program ended so, and its exit status tells. */
static void nothing(struct mpirun_messages *w, const char *text)
{
    (void)w;
    (void)text;
}

/* needs: what the text must have besides, so that a sentence can be made of it; without it the text passes as
 * it is. */
static const struct {
    const char *text;
    void (*means)(struct mpirun_messages *w, const char *text);
    const char *needs;
} messages[] = {
    { "unable to launch the specified application as it could not access", no_executable, "Executable:" },
    { "unable to find the specified executable file", no_executable, "Executable:" },
    { "tried to fork a new process via the \"execve\" system call", execve_failed, "Application name:" },
    { "unable to start the specified application as it encountered an", not_started, "Error name:" },
    { "not enough slots available in the system", no_slots, "satisfy the" },
    { "unable to create the desired directory", no_session, "Directory:" },
    { "there is not enough space for /dev/shm/", no_shared_memory, "Local host:" },
    { "plm_rsh_agent: ssh : rsh", no_ssh, NULL },
    { "unable to reliably start one or more daemons", no_daemons, NULL },
    { "does not know how to route a message to the specified daemon", no_daemons, NULL },
    { "has lost communication with a remote daemon", lost_daemon, " on node " },
    { "change to the specified working directory", no_directory, "Working directory:" },
    { "unable to cleanly terminate the daemons", nothing, NULL }, /* of a host that is lost */
    { "exited on signal ", signalled, "process rank " },
    { "exiting improperly", no_finalize, "process rank " },
    { "Primary job terminated normally, but", nothing, NULL },
    { "exited with non-zero status, thus causing", nothing, NULL },
    { "MPI_ABORT was invoked on rank", nothing, NULL }
};

static enum filter_message open_mpi_message(void *arg, const char *text)
{
    struct mpirun_messages *w = arg;
    char line[FILTER_ROOM + 1];

    flat(text, line);
    if (w->said &&
        (strstr(text, "It looks like orte_init failed") || strstr(text, "It looks like MPI_INIT failed")))
        return FILTER_TAKEN; /* the reason stood before it */

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (!strstr(line, messages[i].text) || (messages[i].needs && !strstr(line, messages[i].needs)))
            continue;
        w->spoke = 1;
        messages[i].means(w, text);
        log_debug("mpirun said:\n%s", text);
        return w->unreachable ? FILTER_TAKEN_ALL : FILTER_TAKEN;
    }
    return FILTER_FOREIGN;
}

static int has_one_of(const char *line, const char *const texts[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(line, texts[i]))
            return 1;
    return 0;
}

/* What ssh and the shell over there say when a daemon cannot be started: mpirun's message follows. */
static int is_of_ssh(const char *line)
{
    static const char *const texts[] = { "ssh: ",
                                         "Host key verification failed",
                                         "host key is known for",
                                         "Permission denied",
                                         "orted: ",
                                         "lost connection" };

    return has_one_of(line, texts, sizeof texts / sizeof texts[0]);
}

/* Words about the ranks that it had to end, for which it takes stdout. */
static enum filter_line open_mpi_out_line(void *arg, const char *line, int inside)
{
    (void)arg;
    (void)inside;
    return strstr(line, "total process failed to start") || strstr(line, "total processes failed to start") ||
                   strstr(line, "(some possibly by mpirun during cleanup)")
               ? FILTER_DROP
               : FILTER_PASS;
}

/* mpirun, under whatever name or path it was called, says that. */
static int is_of_mpirun(const char *line, const char *words)
{
    const char *end = strstr(line, ": "), *name = line;

    if (!end || !starts(end + 2, words))
        return 0;
    for (const char *p = line; p < end; p++)
        if (*p == '/')
            name = p + 1;
    return starts(name, "mpirun") || starts(name, "mpiexec") || starts(name, "orterun") ||
           starts(name, "prterun");
}

/* A daemon stumbles when it tells the others of the end of a rank, as it only does when told to go on. */
static int is_stumble(const char *line)
{
    return strstr(line, "PMIX ERROR: BAD-PARAM in file ") &&
           strstr(line, "/pmix_event_notification.c at line ");
}

/* What stands around that of which the reason has been said. */
static int is_of_failure(const char *line)
{
    static const char *const texts[] = { "ORTE_ERROR_LOG: ",
                                         "PMIX ERROR: ",
                                         "FORCE-TERMINATE AT ",
                                         "*** An error occurred in MPI_Init",
                                         "*** on a NULL communicator",
                                         "*** MPI_ERRORS_ARE_FATAL (processes in this communicator",
                                         "***    and potentially your MPI job)",
                                         "] Local abort before MPI_INIT completed" };

    return has_one_of(line, texts, sizeof texts / sizeof texts[0]);
}

static enum filter_line open_mpi_line(void *arg, const char *line, int inside)
{
    struct mpirun_messages *w = arg;
    int is_dashes = strcmp(line, dashes) == 0;

    if (inside)
        return is_dashes ? FILTER_CLOSE : FILTER_MORE;
    if (is_dashes)
        return FILTER_OPEN;
    if (is_of_mpirun(line, "Forwarding signal ") || is_of_mpirun(line, "abort is already in progress"))
        return FILTER_DROP;
    if (line[0] == '[' && strstr(line, "PMIX ERROR: OUT-OF-RESOURCE in file ") && strstr(line, "/dstore_"))
        no_room(w, line);
    if (w->said && is_of_failure(line))
        return FILTER_DROP;
    if (line[0] == '[' &&
        (strstr(line, " sent help message help-") || strstr(line, "\"orte_base_help_aggregate\" to 0") ||
         strstr(line, "plm:rsh: Warning: setpgid(") || is_stumble(line)))
        return FILTER_DROP;
    return w->remote && is_of_ssh(line) ? FILTER_HOLD : FILTER_PASS;
}

/* ---- MPICH: lines with a name before them; a message on stdout */

static const char frame[] =
    "===================================================================================";

static enum filter_line mpich_line(void *arg, const char *line, int inside)
{
    struct mpirun_messages *w = arg;
    char program[FIELD];

    if (inside)
        return starts(line, "Please see the FAQ page") ? FILTER_CLOSE : FILTER_MORE;
    if (strcmp(line, frame) == 0)
        return FILTER_OPEN;
    if (line[0] == '\0')
        return FILTER_HOLD_SHORTLY; /* the message begins with an empty line */
    if (starts(line, "[proxy:") && strstr(line, "execvp error on file")) {
        field(line, "execvp error on file", program);
        w->status = strstr(program, "No such file") ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
        if (!w->said++)
            log_line("%s: the program must be on each host under the same path, and executable", program);
        return FILTER_DROP;
    }
    if (starts(line, "[mpiexec@") || starts(line, "[proxy:") ||
        starts(line, "Ctrl-C caught... cleaning up")) {
        log_debug("mpiexec said: %s", line);
        if (w->trouble[0] == '\0' && starts(line, "[mpiexec@") && strstr(line, "): "))
            snprintf(w->trouble, sizeof w->trouble, "%.150s", strstr(line, "): ") + 3);
        return FILTER_DROP;
    }
    return FILTER_PASS;
}

static enum filter_message mpich_message(void *arg, const char *text)
{
    char pid[FIELD], node[FIELD], who[2 * FIELD + 32];
    int signal = number(text, "(signal ");

    if (!strstr(text, "BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES"))
        return FILTER_FOREIGN;
    if (signal == 0) /* mpiexec stumbled in the middle of it; it has no such message for exit(9) */
        signal = number(text, "EXIT CODE:");
    field(text, "=   PID ", pid);
    pid[strcspn(pid, " ")] = '\0';
    snprintf(who, sizeof who, "process %s on %s", pid, field(text, "RUNNING AT ", node));
    if (signal > 0)
        died(arg, who, signal);
    return FILTER_TAKEN_ALL;
}

void mpirun_messages_init(struct mpirun_messages *w, const struct mpi *m, int remote)
{
    memset(w, 0, sizeof *w);
    w->remote = remote;
    if (m->kind == OPEN_MPI) {
        /* With remote hosts any line may be ssh's: it begins with a user, a host, a shell. */
        w->err = (struct filter_judge){ remote ? NULL : "-[m/o", open_mpi_line, open_mpi_message, w };
        w->out = (struct filter_judge){ "123456789", open_mpi_out_line, open_mpi_message, w };
    } else {
        w->err = (struct filter_judge){ "[", mpich_line, mpich_message, w };
        w->out = (struct filter_judge){ "=\n[C", mpich_line, mpich_message, w };
    }
}
