/* view.h: what a Dict, Namespace or List holds at one moment, as a copy: how it is packed at home, and how it
 * is read by kith_view_next.
 *
 *     count, version of the container; then for each item: key_size, size, type | key_type << 8 (64 bits
 * each); the key; the value; a zero behind either, and padding to a multiple of 8
 */
#ifndef KITH_VIEW_H
#define KITH_VIEW_H

#include "object/cell.h"

enum { KITH__VIEW_HEAD = 16 };                              /* bytes that the whole takes, */
uint64_t kith__view_need(uint64_t key_size, uint64_t size); /* and that an item adds */

/* Each gives where the next item goes. */
char *kith__view_begin(char *at, uint64_t count, uint64_t version);
char *kith__view_add(char *at, const void *key, uint64_t key_size, int key_type, const struct kith__held *h);

/* Of what a method has given with .grows: takes out->buf. NULL: rc is a code, or there is no memory. Reports.
 */
struct kith_view *kith__view_of(int64_t rc, struct kith__result *out);

uint64_t kith__view_version(const struct kith_view *v);

#endif
