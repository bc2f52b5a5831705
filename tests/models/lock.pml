/* lock.pml: a Lock (lib/object/units.c, lib/object/lock.c), those who wait for it (lib/object/class.c,
 * lib/member/wait.c), and what follows the death of one of them (lib/server/deaths.c, lib/server/janitors.c).
 *
 * A STEP is one atomic operation on a word that others use, too. Before each of them a member may die, and so may the
 * janitor that clears up after it.
 *
 * The clock is left out as a cure: nobody looks again because a second is over. What is left of it: any wait may
 * become a long one (KITH__FAIR, 1 ms), some waits end without success (LEAVERS), and a few times a waiter takes the
 * heir for stopped (OVERDUES).
 *
 * Checked: nobody holds it beside another; who gets it after a dead holder is told so, and nobody else; while somebody
 * is the heir, each other takes it once at most; and everybody who lives comes to its end, else spin finds an invalid
 * end state.
 *
 * Not in it: the closing of the object (tests/test_units.c), holders on other nodes (tests/sim).
 *
 * Each BREAK_... makes one mistake, which must be found: see tests/models.sh. */

#ifndef N
#define N 2 /* members */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* how often each takes it */
#endif
#ifndef DEATHS
#define DEATHS 1 /* of members */
#endif
#ifndef JANITORS
#define JANITORS 1 /* that die */
#endif
#ifndef LEAVERS
#define LEAVERS 0 /* so many members have time limits */
#endif
#ifndef FAIR
#define FAIR 1 /* 0: as for other classes, nobody becomes the heir */
#endif
#ifndef OVERDUES
#define OVERDUES 0
#endif

#define NOBODY 255

/* -------------------------------------------------------------------- the object */

/* o->units[0]: stamp << 3 | holder */
#define FREE 0
#define ORPHAN 1
#define MEMBER 2
#define HOLDER(unit) ((unit) & 7)
#define STAMP(unit) ((unit) >> 3)
#define WORD(stamp, holder) ((stamp) << 3 | (holder))
#define IS_FREE(unit) (HOLDER(unit) < MEMBER)

short unit = FREE;
byte heir; /* o->heir: number + 1; 0: nobody */

/* struct kith__waiters; one word of bits will do. */
byte bits;
bool summary;

/* struct kith__seat, one for each member. Of .word only its owner wants to know whether it has changed since it
 * looked: so it is a bit, set by who wakes and cleared by who looks. .queued: in futex_wait. */
bool moved[N], asleep[N], waiting[N], queued[N], seated[N] = 1;

/* ------------------------------------------------------ what is known without looking */

byte deaths, janitors, overdues; /* so far */
bool calm;                       /* none of these comes any more to one that sleeps */
chan ended = [N] of { byte };    /* what waitid tells the fork server */
byte inside = NOBODY;            /* who has the Lock and lives */
bool orphaned;                   /* who had it last has died with it */
byte passed;                     /* bits: took it since there is this heir */

#define me (_pid)

/* The janitor is a part of the process of the fork server here. */
#define CAN_DIE ((me < N -> deaths < DEATHS : swept == 0 && janitors < JANITORS))

#define STEP(...)                              \
    if                                         \
    :: atomic { __VA_ARGS__ }                  \
    :: atomic { CAN_DIE -> goto dies }  \
    fi

/* With the step by which it is taken. */
inline took(of_the_dead)
{
    assert(inside == NOBODY);
    assert(of_the_dead == orphaned);
    inside = me;
    orphaned = 0;
    if
    :: heir != 0 && heir != me + 1 ->
        assert(!(passed >> me & 1));
        passed = passed | 1 << me
    :: else
    fi
}

/* -------------------------------------------------------------------- member/wait.c */

inline join()
{
    STEP(bits = bits | 1 << me);
    STEP(summary = 1)
}

inline take_bit(who, had)
{
    STEP(had = bits >> who & 1; bits = bits & ~(1 << who))
}

inline wake_seat(who) /* kith__wake_seat */
{
    STEP(moved[who] = 1);
    STEP(sleeps = asleep[who]);
    if
    :: sleeps -> STEP(queued[who] = 0; sleeps = 0) /* kith__futex_wake */
    :: else
    fi
}

inline look() /* seen: the bits */
{
    STEP(seen = bits);
    if
    :: seen == 0 ->
        STEP(summary = 0);
#ifndef BREAK_SUMMARY
        STEP(seen = bits);
        if
        :: seen != 0 -> STEP(summary = 1)
        :: else
        fi
#endif
    :: else
    fi
}

inline drop(who)
{
    STEP(bits = bits & ~(1 << who));
#ifndef BREAK_DROP
    STEP(waits = waiting[who]);
    if
    :: waits ->
        STEP(bits = bits | 1 << who);
        STEP(summary = 1)
    :: else
    fi
#endif
}

/* kith__wake_one. Who has waited longest is any of them here: all must go well whoever that is. */
inline wake_one()
{
    do
    :: STEP(any = summary);
        found = NOBODY;
        if
        :: any ->
            look();
            do
            :: i < N && !(seen >> i & 1) -> i++
            :: i < N && (seen >> i & 1) ->
                STEP(waits = waiting[i]);
                if
                :: !waits -> drop(i)
                :: waits -> found = i
                :: waits && found != NOBODY
                fi;
                i++
            :: i == N -> i = 0; break
            od
        :: else
        fi;
        if
        :: found == NOBODY -> break
        :: else
        fi;
        take_bit(found, seen);
        if
        :: seen -> wake_seat(found); break
        :: else
        fi
    od;
    seen = 0;
    found = 0;
    waits = 0;
    any = 0
}

inline wake_all() /* kith__wake_all */
{
    STEP(any = summary);
    if
    :: any ->
        look();
        STEP(bits = bits & ~seen);
        do
        :: i < N && !(seen >> i & 1) -> i++
        :: i < N && (seen >> i & 1) -> wake_seat(i); i++
        :: i == N -> i = 0; break
        od
    :: else
    fi;
    seen = 0;
    any = 0
}

inline wake_everybody() /* kith__wake_everybody */
{
    do
    :: i < N && seated[i] -> wake_seat(i); i++
    :: i < N && !seated[i] -> i++
    :: i == N -> i = 0; break
    od
}

/* ------------------------------------------------------------------- object/units.c */

#define PARKED 0
#define UNIT 1
#define UNIT_OF_THE_DEAD 2

/* change, in take and take_only: unit is the word that was seen. */
inline take(seen_unit)
{
#ifdef BREAK_TAKE
    STEP(if
        :: true ->
#else
    STEP(if
        :: unit == seen_unit ->
#endif
            unit = WORD(STAMP(seen_unit) + 1, MEMBER + me);
            got = (HOLDER(seen_unit) == ORPHAN -> UNIT_OF_THE_DEAD : UNIT);
            took(HOLDER(seen_unit) == ORPHAN)
        :: else
        fi)
}

inline change_heir(from, to)
{
    STEP(if
        :: heir == from && from != to -> heir = to; passed = 0; changed = 1
        :: else -> changed = 0
        fi)
}

inline take_only()
{
    STEP(v = unit);
    if
    :: HOLDER(v) == FREE ->
#ifndef BREAK_BARGE
        STEP(h = heir);
#endif
        if
        :: h == 0 -> take(v)
        :: else
        fi
    :: else
    fi;
    h = 0;
    v = 0
}

/* What heir_of says: who has not waited for long has no name. */
#define MY_NAME (fair -> me + 1 : 0)

inline units_take() /* kith__units_take */
{
    do
    :: STEP(h = heir);
        STEP(v = unit); /* look: the signals are 0, and one unit is steady */
        if
        :: h != 0 && h != MY_NAME && overdue && IS_FREE(v) ->
            change_heir(h, me + 1);
            if
            :: !changed -> break
            :: else
            fi
        :: h != 0 && h != MY_NAME && !(overdue && IS_FREE(v)) -> break
        :: (h == 0 || h == MY_NAME) && IS_FREE(v) ->
            take(v);
            if
            :: got != PARKED && fair -> change_heir(me + 1, 0); break /* resign */
            :: got != PARKED && !fair -> break
            :: got == PARKED /* KITH__GONE */
            fi
        :: (h == 0 || h == MY_NAME) && !IS_FREE(v) && h != MY_NAME ->
            change_heir(0, me + 1);
#ifdef BREAK_HEIR_LOOK
            break
#endif
        :: h == MY_NAME && !IS_FREE(v) -> break
        fi
    od;
    h = 0;
    v = 0;
    changed = 0
}

inline tell_here() /* kith__units_tell_here */
{
    STEP(any = summary);
    if
    :: any ->
        STEP(h = heir);
#ifdef BREAK_TELL
        h = 0;
#endif
        if
        :: h != 0 -> wake_seat(h - 1)
        :: else -> wake_one()
        fi
    :: else
    fi;
    any = 0;
    h = 0
}

inline give() /* give_only, of who has it */
{
    STEP(assert(HOLDER(unit) == MEMBER + me && inside == me);
        unit = WORD(STAMP(unit), FREE);
        inside = NOBODY)
}

inline left() /* kith__units_left */
{
    change_heir(me + 1, 0);
    if
    :: changed -> wake_one()
    :: else
    fi;
    changed = 0
}

/* ------------------------------------------------------------------- object/class.c */

/* rest. Who sleeps is woken, or its wait becomes a long one; or, if fate will have it, a second is over, the call's
 * own time is over, or it is killed. */
inline rest()
{
    STEP(asleep[me] = 1);
    STEP(queued[me] = !moved[me]); /* kith__futex_wait */
    if
    :: atomic { !queued[me] -> fair = fair }
    :: atomic { queued[me] && !fair && FAIR -> fair = 1 }
    :: atomic { queued[me] && !calm && fair && !overdue && overdues < OVERDUES -> overdues++; overdue = 1 }
    :: atomic { queued[me] && !calm && me < LEAVERS -> gives_up = 1 }
    :: atomic { queued[me] && !calm && CAN_DIE -> goto dies }
    fi;
    STEP(queued[me] = 0; asleep[me] = 0);
    if
    :: FAIR -> fair = 1
    :: true
    fi;
    if
    :: !gives_up ->
        STEP(moved[me] = 0);
#ifndef BREAK_JOIN
        join()
#endif
    :: else
    fi
}

/* kith__wait_end, and what wait_for does for one that gives up */
inline wait_end()
{
    STEP(waiting[me] = 0);
    take_bit(me, seen);
    if
#ifndef BREAK_END
    :: !seen && got == PARKED -> wake_one()
#endif
    :: else
    fi;
    seen = 0;
#ifndef BREAK_LEFT
    if
    :: got == PARKED && fair -> left()
    :: else
    fi;
#endif
    fair = 0;
    overdue = 0;
    joined = 0
}

/* kith__units_acquire: by the short way, by an attempt of kith__invoke, or by wait_for. */
inline acquire()
{
    take_only();
    do
    :: got == PARKED && !gives_up ->
        units_take();
        if
        :: got == PARKED && !joined ->
            STEP(moved[me] = 0); /* kith__wait_begin */
            STEP(waiting[me] = 1);
            join();
            joined = 1;
#ifdef BREAK_LOOK
            rest()
#endif
        :: got == PARKED && joined -> rest()
        :: else
        fi
    :: else -> break
    od;
    if
    :: joined -> wait_end()
    :: else
    fi
}

active [N] proctype member()
{
    byte rounds, got, h, seen, found, i;
    short v;
    bool swept, fair, overdue, gives_up, any, waits, sleeps, changed, joined;

    do
    :: rounds < ROUNDS ->
        rounds++;
        acquire();
        if
        :: got != PARKED ->
            got = PARKED;
            give();
            tell_here()
        :: else
        fi;
        gives_up = 0
    :: else -> break
    od;
    goto ends;
dies:
    atomic {
        deaths++;
        ended ! me;
        if
        :: inside == me -> inside = NOBODY; orphaned = 1
        :: else
        fi
    }
ends:
    atomic {
        rounds = 0; got = 0; h = 0; v = 0; seen = 0; found = 0; i = 0;
        fair = 0; overdue = 0; gives_up = 0; any = 0; waits = 0; sleeps = 0; changed = 0; joined = 0
    }
}

/* --------------------------------------------------------------------- the fork server */

/* kith__units_died. Janitors do this one after the other, in the object's guard. */
inline died(who)
{
    STEP(h = heir);
#ifndef BREAK_DIED
    if
    :: h == who + 1 -> change_heir(h, 0)
    :: else
    fi;
#endif
    STEP(v = unit);
    if
    :: HOLDER(v) == MEMBER + who ->
        STEP(if
            :: unit == v -> unit = WORD(STAMP(v), ORPHAN); freed = 1
            :: else
            fi)
    :: else
    fi;
#ifdef BREAK_DIED
    if
    :: h == who + 1 && !freed -> change_heir(h, 0)
    :: else
    fi;
#endif
    if
    :: freed || changed -> wake_all()
    :: else
    fi
}

/* kith__death_of */
active proctype server()
{
    byte who, h, seen, i;
    short v;
    bool freed, changed, any, sleeps, swept = 1;

end:
    do
    :: ended ? who ->
        STEP(waiting[who] = 0); /* kith__seats_release */
        STEP(asleep[who] = 0);
        STEP(seated[who] = 0);
#ifndef BREAK_EVERYBODY
        wake_everybody();
#endif
again:
        swept = 0;
        died(who);
        goto done;
dies: /* kith__janitors_gone */
        atomic {
            janitors++;
            swept = 1; freed = 0; changed = 0; h = 0; v = 0; seen = 0; i = 0; any = 0; sleeps = 0
        }
#ifndef BREAK_JANITOR
        wake_everybody();
#endif
        goto again;
done:
        atomic {
            swept = 1; freed = 0; changed = 0; h = 0; v = 0; who = 0
        }
    od
}

/* Nothing may rely on what fate does: so there comes a time when it does no more. */
active proctype fate()
{
    calm = 1
}
