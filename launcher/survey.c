/* survey.c: kith hosts: all hosts side by side, and what in each stands in the way of a job.
 *
 * Each host gets the same short script for its shell, by ssh; this machine gets it without. The script ends
 * in "kith peer", see peer.h, if the same kith is there. So one login is enough for all. */
#include "config.h"
#include "command.h"
#include "facts.h"
#include "line.h"
#include "local_host.h"
#include "log.h"
#include "network.h"
#include "program.h"
#include "request.h"
#include "session.h"
#include "ssh.h"
#include "base/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOT_WELL = 1, TALK_MS = PEER_REACH_MS + 3000, COLUMNS = 16 };

struct survey {
    struct request request; /* only for its hosts */
    const char *program_name;
    long limit_s;

    char kith[PATH_MAX], directory[PATH_MAX], program[PATH_MAX];
    char mpirun[PATH_MAX], daemon[PATH_MAX];
    struct session *sessions; /* the first is this machine */
    struct facts *facts;
    int count;
    int *of_host; /* which of them is of that host */
};

/* ---- options */

static int set_hostfile(void *to, const char *value)
{
    ((struct survey *)to)->request.hostfile = value;
    return 0;
}

static int set_hosts(void *to, const char *value)
{
    ((struct survey *)to)->request.host_list = value;
    return 0;
}

static int set_program(void *to, const char *value)
{
    ((struct survey *)to)->program_name = value;
    return 0;
}

static int set_limit(void *to, const char *value)
{
    if (option_number(value, 1, 3600, &((struct survey *)to)->limit_s) == 0)
        return 0;
    log_line("--timeout %s: it must be a whole number of seconds from 1 to 3600", value);
    return -1;
}

static const struct option survey_options[] = {
    { "--hostfile|-hostfile|--machinefile|-machinefile|-f", "FILE", "the same as the argument HOSTFILE",
      set_hostfile },
    { "--host|-host|-H", "LIST", "the hosts in a word: node1,node2 or node[1-4]", set_hosts },
    { "--program", "FILE", "is this program there, the same, with all its libraries?", set_program },
    { "--timeout", "SECONDS", "how long a host may take to answer; default: 10", set_limit },
    { NULL, NULL, NULL, NULL }
};

/* ---- what is asked */

static const char script[] =
    "[ -n \"$version\" ] || { echo; echo eaten; exit 0; }\n"
    "echo\n"
    "echo \"clock $(date +%s.%N)\"\n"
    "cd \"$directory\" 2>/dev/null && echo directory\n"
    "k=$(command -v kith) || k=$kith\n"
    "v=$(\"$k\" --version 2>/dev/null)\n"
    "echo \"kith ${v#kith }\"\n"
    "\"$mpirun\" --version 2>/dev/null | sed -n '1,3s/^/mpi /p'\n"
    "command -v \"$daemon\" >/dev/null && echo daemon\n"
    "if [ -x \"$program\" ] && [ -f \"$program\" ]; then\n"
    "    echo \"program $(cksum <\"$program\")\"\n"
    "    ldd \"$program\" 2>/dev/null | sed -n 's/^[[:space:]]*\\([^ ]*\\) => not found/missing \\1/p'\n"
    "elif [ -f \"$program\" ]; then\n"
    "    echo locked\n"
    "fi\n"
    "[ \"$v\" = \"kith $version\" ] && exec \"$k\" peer\n"
    "exit 0\n";

/* What kith run would pass on goes along. The first line, which sets them, is the one that a login might take
 * for its own; what it prints may lack the end of its line. */
static char *make_script(const struct survey *s)
{
    static const char *const passed[] = { "KITH_NET", "KITH_PORTS", "LD_LIBRARY_PATH" };
    struct line l = { .count = 0 };
    char *words, *text = NULL;

    line_set(&l, "directory", s->directory);
    line_set(&l, "kith", s->kith);
    line_set(&l, "mpirun", s->mpirun);
    line_set(&l, "daemon", s->daemon);
    line_set(&l, "program", s->program);
    line_set(&l, "version", VERSION);
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (getenv(passed[i]))
            line_set(&l, passed[i], getenv(passed[i]));
    words = line_text(&l);
    if (asprintf(&text, "%s\nexport%s%s%s PATH\n%s", words, getenv(passed[0]) ? " KITH_NET" : "",
                 getenv(passed[1]) ? " KITH_PORTS" : "", getenv(passed[2]) ? " LD_LIBRARY_PATH" : "",
                 script) < 0)
        text = NULL;
    free(words);
    line_free(&l);
    return text;
}

/* Of the hosts that have told of themselves, the next few behind each try to reach it. Each of many is tried
 * by as many others. */
static void ask_to_reach(struct survey *s, int from)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    int asked = 0;

    if (!f)
        return;
    for (int i = 1; i < s->count && asked < PEER_OTHERS; i++) {
        int to = (from + i) % s->count;
        const struct facts *other = &s->facts[to];

        if (!other->has_peer || s->sessions[to].state == SESSION_OVER)
            continue;
        fprintf(f, "reach %d %u %s %s\n", to, other->port, other->token, other->addresses);
        asked++;
    }
    fputs("go\n", f);
    fclose(f);
    if (text)
        session_say(&s->sessions[from], text, TALK_MS);
    free(text);
}

static const char *name_of(const struct survey *s, int i)
{
    return s->sessions[i].host ? s->sessions[i].host->name : "this machine";
}

static void read_reached(struct survey *s, int from)
{
    const char *said = s->sessions[from].said;
    char word[16], rest[200];
    int to;

    for (const char *at = said; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        struct facts *f;

        if (sscanf(at, "%15s %d %199[^\n]", word, &to, rest) != 3 || to < 0 || to >= s->count)
            continue;
        f = &s->facts[to];
        if (strcmp(word, "reached") == 0 && (from == 0 || !*f->reached))
            snprintf(f->reached, sizeof f->reached, "%.63s", rest);
        if (strcmp(word, "unreached") == 0 && !*f->unreached)
            snprintf(f->unreached, sizeof f->unreached, "%s cannot connect to it (%s)", name_of(s, from),
                     rest);
    }
}

static void explain(const struct session *s, struct facts *f)
{
    static const char words[] = "the shell here";

    if (s->state == SESSION_LATE)
        snprintf(f->trouble, sizeof f->trouble, "ssh %s has not answered in time: see --timeout",
                 s->host ? s->host->name : words);
    else if (f->clock != 0)
        return;
    else if (f->is_eaten)
        snprintf(f->trouble, sizeof f->trouble,
                 "what a login reads there first, such as ~/.bashrc, takes the input of the command: it must "
                 "ask nothing and read nothing unless there is a terminal");
    else if (s->host)
        ssh_explain(s->host, s->status, s->complaints, f->trouble, sizeof f->trouble);
    else
        snprintf(f->trouble, sizeof f->trouble, "%s fails with status %d", words, s->status);
}

static int ask_all(struct survey *s)
{
    char *text = make_script(s);

    if (!text)
        return -1;
    session_ask(s->sessions, s->count, text, "ready", (int)s->limit_s * 1000);
    free(text);
    for (int i = 0; i < s->count; i++) {
        struct facts *f = &s->facts[i];

        facts_read(f, s->sessions[i].said);
        explain(&s->sessions[i], f);
        f->clock_from = s->sessions[i].began;
        f->clock_to = s->sessions[i].heard;
    }
    for (int i = 0; i < s->count; i++)
        if (s->sessions[i].state == SESSION_READY)
            ask_to_reach(s, i);
    session_await(s->sessions, s->count, "done");
    for (int i = 0; i < s->count; i++)
        read_reached(s, i);
    session_end(s->sessions, s->count);
    return 0;
}

/* ---- the table */

struct cell {
    char text[FACTS_CELL], cure[FACTS_CURE];
    int red;
};

static int has_colors(void)
{
    const char *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

static int fill(const struct facts *f, const struct facts_view *v, struct cell *cells)
{
    int red = 0;

    for (int c = 0; facts_columns[c].title; c++) {
        cells[c] = (struct cell){ .red = 0 };
        if (c == 0 || !*f->trouble)
            cells[c].red = facts_columns[c].read(f, v, cells[c].text, cells[c].cure);
        red += cells[c].red;
    }
    return red;
}

/* Behind as many blanks as stand before it; a red one is marked also where there are no colours. How many
 * stand before the next. */
static int print_cell(const struct cell *c, int blanks, int width)
{
    int colors = c->red && has_colors(), size = (int)strlen(c->text) + c->red;

    if (size == 0)
        return blanks + width + 2;
    printf("%*s%s%s%s%s", blanks + 2, "", colors ? "\033[31m" : "", c->text, c->red ? "!" : "",
           colors ? "\033[0m" : "");
    return width - size;
}

static void print_row(const char *name, int name_width, const struct cell *cells, const int *widths)
{
    int blanks = name_width - printf("%s", name);

    for (int c = 0; facts_columns[c].title; c++)
        if (widths[c] > 0)
            blanks = print_cell(&cells[c], blanks, widths[c]);
    putchar('\n');
    for (int c = 0; facts_columns[c].title; c++)
        if (cells[c].red)
            printf("%*s  %s: %s\n", name_width, "", facts_columns[c].title, cells[c].cure);
}

static void measure(const struct cell *cells, int *widths)
{
    for (int c = 0; facts_columns[c].title; c++) {
        int n = (int)strlen(cells[c].text) + cells[c].red;

        if (n > 0 && widths[c] < (int)strlen(facts_columns[c].title))
            widths[c] = (int)strlen(facts_columns[c].title);
        if (n > widths[c])
            widths[c] = n;
    }
}

struct row {
    const char *name;
    int session;
    long slots;
    struct cell cells[COLUMNS];
};

/* Each host of the list; and this machine, from which jobs are started, when it is none of them. */
static int make_rows(const struct survey *s, struct row *rows)
{
    int count = 0, is_here = 0;

    for (int i = 0; i < s->request.hosts.count; i++)
        is_here |= s->of_host[i] == 0;
    if (!is_here)
        rows[count++] = (struct row){ .name = "(here)" };
    for (int i = 0; i < s->request.hosts.count; i++)
        rows[count++] = (struct row){ .name = s->request.hosts.all[i].name,
                                      .session = s->of_host[i],
                                      .slots = s->request.hosts.all[i].slots };
    return count;
}

static struct facts_view view_of(const struct survey *s, const struct row *row)
{
    return (struct facts_view){ .here = &s->facts[0],
                                .version = VERSION,
                                .kith = s->kith,
                                .mpirun = s->mpirun,
                                .daemon = s->daemon,
                                .program = s->program,
                                .directory = s->directory,
                                .hosts = s->count,
                                .is_here = row->session == 0,
                                .name = row->name,
                                .slots = row->slots };
}

static void print_titles(int name_width, const int *widths)
{
    struct cell titles[COLUMNS] = { 0 };

    for (int c = 0; facts_columns[c].title; c++)
        snprintf(titles[c].text, sizeof titles[c].text, "%s", facts_columns[c].title);
    print_row("HOST", name_width, titles, widths);
}

static int print(const struct survey *s)
{
    struct row *rows = calloc((size_t)s->request.hosts.count + 1, sizeof *rows);
    int widths[COLUMNS] = { 0 }, name_width = 4, count = rows ? make_rows(s, rows) : 0, bad = 0;

    for (int i = 0; i < count; i++) {
        struct facts_view v = view_of(s, &rows[i]);

        bad += fill(&s->facts[rows[i].session], &v, rows[i].cells) > 0;
        measure(rows[i].cells, widths);
        if (name_width < (int)strlen(rows[i].name))
            name_width = (int)strlen(rows[i].name);
    }
    print_titles(name_width, widths);
    for (int i = 0; i < count; i++)
        print_row(rows[i].name, name_width, rows[i].cells, widths);
    if (bad)
        printf("%d of %d hosts: something is to be done, see above\n", bad, count);
    free(rows);
    return bad ? NOT_WELL : 0;
}

/* ---- the command */

/* An absolute path, as on the other hosts only such a one means the same. */
static int find_program(struct survey *s)
{
    char path[PATH_MAX];

    if (!s->program_name)
        return 0;
    if (program_find(s->program_name, path) == 0 && realpath(path, s->program))
        return 0;
    log_line("--program %s: %s", s->program_name,
             errno == ENOENT ? "there is no such program here" : "it cannot be executed here");
    return -1;
}

/* Where it is not in the system's places, mpirun takes what it starts from beside itself. */
static void find_mpi(struct survey *s)
{
    const char *daemons[] = { "orted", "hydra_pmi_proxy" };
    struct mpi m;
    const char *slash;

    if (mpi_find(&m) < 0) { /* it has been said what is wrong */
        snprintf(s->mpirun, sizeof s->mpirun, "mpirun");
        snprintf(s->daemon, sizeof s->daemon, "orted");
        return;
    }
    snprintf(s->mpirun, sizeof s->mpirun, "%s", m.name);
    slash = strrchr(m.name, '/');
    snprintf(s->daemon, sizeof s->daemon, "%.*s%s", slash ? (int)(slash + 1 - m.name) : 0, m.name,
             m.kind == OPEN_MPI && m.major >= 5 ? "prted" : daemons[m.kind]);
}

static int find_hosts(struct survey *s)
{
    struct request *r = &s->request;

    if (request_find_hosts(r) < 0)
        return -1;
    if (r->batch && strcmp(r->batch, "Slurm") == 0 && network_slurm_hosts(&r->hosts) == 0)
        return 0;
    if (r->hosts.count > 0)
        return 0;
    log_line("hosts: which ones? kith hosts HOSTFILE, or --host node1,node2");
    return -1;
}

/* Two descriptors for each. */
static void raise_files(int hosts)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= (rlim_t)hosts * 2 + 64)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

static int prepare(struct survey *s)
{
    const struct hosts *h = &s->request.hosts;
    ssize_t n = readlink("/proc/self/exe", s->kith, sizeof s->kith - 1);

    s->kith[n > 0 ? n : 0] = '\0';
    if (!getcwd(s->directory, sizeof s->directory))
        snprintf(s->directory, sizeof s->directory, "/");
    raise_files(h->count);
    s->sessions = calloc((size_t)h->count + 1, sizeof *s->sessions);
    s->facts = calloc((size_t)h->count + 1, sizeof *s->facts);
    s->of_host = calloc((size_t)h->count, sizeof *s->of_host);
    if (!s->sessions || !s->facts || !s->of_host) {
        log_line("no memory");
        return -1;
    }
    s->count = 1;
    for (int i = 0; i <= h->count; i++)
        s->sessions[i].talk = s->sessions[i].complain = -1;
    for (int i = 0; i < h->count; i++)
        if (!local_host_is(h->all[i].name)) {
            s->of_host[i] = s->count;
            s->sessions[s->count++].host = &h->all[i];
        }
    return 0;
}

static int survey(struct survey *s)
{
    int status = EXIT_OURS;

    if (find_hosts(s) < 0 || find_program(s) < 0 || prepare(s) < 0)
        return EXIT_OURS;
    find_mpi(s);
    if (ask_all(s) == 0)
        status = print(s);
    return status;
}

static int survey_main(int argc, char **argv)
{
    static struct survey s = { .limit_s = 10 };
    int at = options_read(survey_options, argc, argv, &s), status;

    if (at == OPTIONS_HELP) {
        command_help(&command_hosts);
        return 0;
    }
    if (at == OPTIONS_WRONG)
        return EXIT_OURS;
    if (at < argc && s.request.hostfile) {
        log_line("hosts: %s: one hostfile is enough", argv[at]);
        return EXIT_OURS;
    }
    if (at < argc)
        s.request.hostfile = argv[at++];
    if (at < argc) {
        log_line("hosts: %s: it takes one argument, the hostfile", argv[at]);
        return EXIT_OURS;
    }
    status = survey(&s);
    hosts_free(&s.request.hosts);
    free(s.sessions);
    free(s.facts);
    free(s.of_host);
    return status;
}

const struct command command_hosts = { "hosts", "[OPTION...] [HOSTFILE]",
                                       "compares hosts, and says what stands in the way of a job there",
                                       survey_options, survey_main };
