/* list.h: lists whose elements have their links in themselves.
 *
 *     struct call {
 *         KITH__LINK(struct call) link;
 *         ...
 *     };
 *     KITH__LIST(struct call) calls; // zeros: it is empty
 *
 *     kith__link_last(&calls, c, link);
 *     for (struct call *c = calls.first; c; c = c->link.next)
 *         ...
 *     kith__unlink(&calls, c, link); // wherever it stands
 *
 * Who removes elements on the way reads .next before. They are typed, so that a list takes no element of
 * another type and a debugger shows what is in it. In the memory of one process, under whatever lock its
 * owner has: lists in the arena are changed by commits (shm/guard.h).
 */
#ifndef KITH_BASE_LIST_H
#define KITH_BASE_LIST_H

#include <stddef.h>

#define KITH__LIST(type)    \
    struct {                \
        type *first, *last; \
    }

#define KITH__LINK(type)   \
    struct {               \
        type *next, *prev; \
    }

/* Before that one of the list; NULL: at its end. */
#define kith__link_before(list, element, before, link)                                       \
    do {                                                                                     \
        __typeof__(list) list_ = (list);                                                     \
        __typeof__(list_->first) element_ = (element), next_ = (before);                     \
                                                                                             \
        element_->link.next = next_;                                                         \
        element_->link.prev = next_ ? next_->link.prev : list_->last;                        \
        *(next_ ? &next_->link.prev : &list_->last) = element_;                              \
        *(element_->link.prev ? &element_->link.prev->link.next : &list_->first) = element_; \
    } while (0)

#define kith__link_first(list, element, link) kith__link_before(list, element, (list)->first, link)
#define kith__link_last(list, element, link) kith__link_before(list, element, NULL, link)

#define kith__unlink(list, element, link)                                           \
    do {                                                                            \
        __typeof__(list) list_ = (list);                                            \
        __typeof__(list_->first) element_ = (element), next_ = element_->link.next, \
                                 prev_ = element_->link.prev;                       \
                                                                                    \
        *(next_ ? &next_->link.prev : &list_->last) = prev_;                        \
        *(prev_ ? &prev_->link.next : &list_->first) = next_;                       \
        element_->link.next = element_->link.prev = NULL;                           \
    } while (0)

#endif
