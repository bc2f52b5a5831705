/* claim.pml: how workers claim the units of a job (lib/pool/claim.c), give back what is left of their shares, and
 * settle what a dead worker had (lib/pool/settle.c); and the poster, if wanted, which looks for the frontier and waits for the end.
 *
 * This is what a pool has in place of deques: all claim from one cursor, and what goes back lies in one list.
 *
 * A STEP is one atomic operation on a word that others use, too. Before each of them a worker may die; its successor
 * begins with settling. A guard is a word here, and its commit one step: see tests/test_guard.c.
 *
 * Checked: no unit is claimed twice at a time, or again after its end; a successor takes the claim of the dead for live
 * exactly when it is; in the end all units have run. With POSTER: it is told so. With FRONTIERS: no unit before one is
 * open.
 *
 * Each BREAK_... makes one mistake, which must be found: see tests/models.sh. */

#ifndef N
#define N 2 /* workers */
#endif
#ifndef UNITS
#define UNITS 2
#endif
#ifndef MOST
#define MOST 2 /* units of a claim: from 1 to so many */
#endif
#ifndef KEPT
#define KEPT 1 /* KITH__KEPT */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#define NONE 31 /* KITH__AT_NONE */

/* position << 3 | worker + 1 */
#define POSITION(cursor) ((cursor) >> 3)
#define CLAIMER(cursor) ((cursor) & 7)
#define CURSOR(position, worker) ((position) << 3 | ((worker) + 1))

/* lo << 4 | length << 1 | confirmed */
#define LO(intent) ((intent) >> 4)
#define LENGTH(intent) ((intent) >> 1 & 7)
#define END(intent) (LO(intent) + LENGTH(intent))
#define INTENT(lo, length) ((lo) << 4 | (length) << 1)

/* struct kith__job */
byte cursor;
byte guard;                                  /* who is in it + 1 */
byte returned_count, returned_lo[UNITS], returned_length[UNITS];
byte intent[N], before[N], done[N], at[N] = NONE; /* the cells */
byte kept[N * KEPT];
bool waits, woken; /* the poster's bit among .waiters; its seat's word has changed since it looked */

/* ------------------------------------------------------ what is known without looking */

byte deaths;
byte claimed[N]; /* bits: units of its claim, from the step that makes it to the one that retires it */
byte ended;      /* bits: units whose task has been left */
byte resting;    /* workers that have found nothing to claim any more */

#define me (_pid)
#define BITS(lo, end) ((1 << (end)) - (1 << (lo)))

#define STEP(...)                                      \
    if                                                 \
    :: atomic { __VA_ARGS__ }                          \
    :: atomic { me < N && deaths < DEATHS -> goto dies } \
    fi

#define ENTER STEP(guard == 0 -> guard = me + 1)
#define LEAVE STEP(guard = 0)

inline claims(lo, end)
{
    claimed[me] = BITS(lo, end);
    assert(!(claimed[me] & ended));
    w = 0;
    do
    :: w < N -> assert(w == me || !(claimed[w] & claimed[me])); w++
    :: else -> w = 0; break
    od
}

/* ----------------------------------------------------------------------- pool/claim.c */

#define PLACE(worker, other) ((worker) * KEPT + ((other) + N - (worker) - 1) % N % KEPT)

/* keep, with confirm */
inline keep()
{
#ifdef BREAK_KEEP
    skip
#else
    old = kept[PLACE(me, CLAIMER(c) - 1)]; /* nobody else writes there */
    if
    :: CLAIMER(old) != 0 && CLAIMER(old) != CLAIMER(c) ->
        STEP(it = intent[CLAIMER(old) - 1]);
        if
        :: !(it & 1) && LENGTH(it) && END(it) == POSITION(old) ->
            STEP(if
                :: intent[CLAIMER(old) - 1] == it -> intent[CLAIMER(old) - 1] = it | 1
                :: else
                fi)
        :: else
        fi
    :: else
    fi;
    STEP(kept[PLACE(me, CLAIMER(c) - 1)] = c; old = 0; it = 0)
#endif
}

/* The guard is entered: half of what is there, or all. */
inline claim_returned()
{
    ENTER;
    if
    :: returned_count > 0 ->
        STEP(returned_count--;
            lo = returned_lo[returned_count];
            length = returned_length[returned_count];
            if
            :: length > 1 ->
                length--;
                returned_lo[returned_count] = lo + length;
                returned_length[returned_count] = 1;
                returned_count++
            :: true
            fi;
            intent[me] = INTENT(lo, length) | 1;
            before[me] = done[me];
            at[me] = NONE;
            claims(lo, lo + length))
    :: else
    fi;
    LEAVE
}

/* kith__claim: length 0 when there is nothing left. */
inline claim()
{
    c = last;
    length = 0;
    if
    :: c == 0 -> STEP(c = cursor)
    :: else
    fi;
    do
    :: length == 0 ->
        STEP(any = returned_count > 0);
        if
        :: any -> claim_returned()
        :: else
        fi;
        if
        :: length > 0 -> break
        :: length == 0 && POSITION(c) >= UNITS && c != last ->
            STEP(it = intent[me]); /* drop_intent */
            if
            :: !(it & 1) -> STEP(intent[me] = INTENT(LO(it), 0))
            :: else
            fi;
            it = 0;
            break
        :: length == 0 && POSITION(c) >= UNITS && c == last -> STEP(c = cursor; last = 0)
        :: length == 0 && POSITION(c) < UNITS ->
            if
            :: CLAIMER(c) != 0 && CLAIMER(c) != me + 1 -> keep()
            :: else
            fi;
            lo = POSITION(c);
            length = 1;
            do
            :: length < MOST && lo + length < UNITS -> length++
            :: break
            od;
#ifdef BREAK_ORDER
            STEP(before[me] = done[me]);
            STEP(intent[me] = INTENT(lo, length));
#else
            STEP(intent[me] = INTENT(lo, length));
            STEP(before[me] = done[me]);
#endif
            STEP(if
#ifdef BREAK_CAS
                :: true ->
#else
                :: cursor == c ->
#endif
                    cursor = CURSOR(lo + length, me);
                    claims(lo, lo + length);
                    last = cursor
                :: else -> c = cursor; length = 0
                fi);
            if
            :: length > 0 -> STEP(intent[me] = intent[me] | 1)
            :: else
            fi
        fi
    :: else -> break
    od;
    c = 0;
    any = 0
}

/* Runs the claim, and gives back what is left when that is wanted. */
inline run_units()
{
    i = lo;
    do
    :: i < lo + length ->
        STEP(at[me] = i;
            ended = ended | BITS(lo, i);
            assert(claimed[me] >> i & 1 && !(ended >> i & 1)));
        i++
    :: i == lo + length -> /* kith__retire */
        STEP(done[me] = before[me] + length; ended = ended | claimed[me]; claimed[me] = 0);
        break
    :: i > lo && i < lo + length -> /* kith__retire_part */
        ENTER;
        STEP(returned_lo[returned_count] = i;
            returned_length[returned_count] = lo + length - i;
            returned_count++;
            intent[me] = 0;
            at[me] = NONE;
            done[me] = done[me] + i - lo;
            ended = ended | BITS(lo, i);
            claimed[me] = 0);
        LEAVE;
        break
    od;
    lo = 0;
    length = 0;
    i = 0
}

inline sum() /* kith__job_complete */
{
    total = 0;
    w = 0;
    do
    :: w < N -> STEP(total = total + done[w]; w++)
    :: else -> w = 0; break
    od
}

inline wake() /* kith__wake_all */
{
    STEP(any = waits);
    if
    :: any -> STEP(waits = 0); STEP(woken = 1)
    :: else
    fi;
    any = 0
}

/* kith__claim_is_live, of w's cell: live. The job's cursor, c, was read before. */
inline is_live(who)
{
    live = 0;
    STEP(it = intent[who]);
    if
    :: LENGTH(it) ->
        if
        :: it & 1 || c == CURSOR(END(it), who) -> live = 1
        :: else ->
            i = 0;
            do
            :: i < N && i != who && !live ->
                STEP(live = kept[PLACE(i, who)] == CURSOR(END(it), who); i++)
            :: i < N && i == who && !live -> i++
            :: i == N || live -> i = 0; break
            od;
            if
            :: !live -> STEP(live = intent[who] == (it | 1))
            :: else
            fi
        fi;
        if
        :: live -> STEP(live = done[who] == before[who])
        :: else
        fi
    :: else
    fi
}

/* ---------------------------------------------------------------------- pool/settle.c */

/* kith__settle, of the own cell; settle_claim */
inline settle()
{
    ENTER;
    STEP(c = cursor);
    is_live(me);
    assert(live == (claimed[me] != 0));
    if
    :: live ->
        STEP(lo = LO(it);
            i = (at[me] >= lo && at[me] < END(it) -> at[me] : lo); /* that one is tried again */
            returned_lo[returned_count] = i;
            returned_length[returned_count] = END(it) - i;
            returned_count++;
            done[me] = done[me] + i - lo;
            intent[me] = 0;
            at[me] = NONE;
            claimed[me] = 0)
    :: else
    fi;
    LEAVE;
#ifdef POSTER
    wake();
#endif
    lo = 0;
    i = 0;
    it = 0;
    live = 0;
    c = 0
}

active [N] proctype worker()
{
    byte c, last, lo, length, i, w, it, old, total;
    bool any, live, unsettled;

again:
    if
    :: unsettled -> settle(); unsettled = 0
    :: else
    fi;
    do
    :: claim();
        if
        :: length > 0 -> run_units()
        :: else -> break
        fi
    od;
#ifdef POSTER
    sum(); /* kith__retired */
    if
    :: total == UNITS -> wake()
    :: else
    fi;
#endif
    goto rests;
dies:
    atomic {
        deaths++;
        unsettled = 1;
        if
        :: guard == me + 1 -> guard = 0
        :: else
        fi;
        c = 0; last = 0; lo = 0; length = 0; i = 0; w = 0; it = 0; old = 0; total = 0; any = 0; live = 0
    }
#if defined POSTER && !defined BREAK_EVERYBODY
    woken = 1; /* kith__wake_everybody, before there is a successor */
#endif
    goto again;
rests:
    atomic {
        last = 0; total = 0; lo = 0; any = 0;
        resting++;
        assert(resting < N || ended == BITS(0, UNITS))
    }
}

/* ------------------------------------------------------------------------ the poster */

/* kith__job_frontier: all units before it are done. */
inline frontier()
{
    ENTER;
    c = cursor;
    f = POSITION(c);
    w = 0;
    do
    :: w < returned_count ->
        f = (returned_lo[w] < f -> returned_lo[w] : f);
        w++
    :: else -> w = 0; break
    od;
    do
    :: w < N ->
        lo = LO(intent[w]);
        if
        :: lo < f ->
            is_live(w);
            if
            :: live -> f = lo
            :: else
            fi
        :: else
        fi;
        w++
    :: else -> w = 0; break
    od;
#ifdef BREAK_FRONTIER
    f = POSITION(cursor);
#endif
    assert(!(BITS(0, f) & ~ended));
    LEAVE;
    c = 0; f = 0; lo = 0; live = 0; it = 0; i = 0
}

#ifdef POSTER
active proctype poster()
{
    byte c, f, w, lo, it, i, total;
    bool live;

    do
    :: woken = 0; /* kith__wait_begin, kith__wait_sleep */
#ifndef BREAK_LOOK
        waits = 1;
#endif
#ifdef FRONTIERS
        frontier();
#endif
        sum();
        if
        :: total == UNITS -> break
        :: else
        fi;
#ifdef BREAK_LOOK
        waits = 1;
#endif
        woken
    od;
    assert(ended == BITS(0, UNITS));
    goto rests;
dies:
    assert(false);
rests:
    skip
}
#endif
