"""A CUDA driver for machines without a GPU: "GPU memory" is host memory.

Work is done as late as a GPU may do it: where somebody waits for it, and then no more of it than
what is waited for. So a missing wait, or a buffer that is used again too soon, gives wrong values
each time. Its calls and their meaning are cuda.h's, as far as `trtbuild.cuda` uses them. It counts
what is allocated, refuses what a capture forbids, and a captured graph copies what lies at its
addresses when it is launched. The tests of the CUDA layer and of the TensorRT backend's staging run
on it here, and on the real driver where there is one.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

_SOURCE = r"""
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef unsigned long long ptr;
typedef struct { ptr to, from; size_t size; } copy;
typedef struct { copy copies[64]; int count; } graph;
typedef struct stream stream;
typedef struct { int timed, recorded, asked; struct timespec at; stream *on; long upto; } event;
typedef struct { copy what; event *reached; stream *on; long upto; } work; /* one of the three */
struct stream { graph *capture; int priority; work *works; long base, done, begun, room;
                stream *next; };
static stream *streams;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int alive, launches;
static __thread void *current;
static char context;
static int broken, unready = 1;
static int allocations = -1;
void stand_in_full_after(int count) { allocations = count; }
static int full(void) { return allocations >= 0 && __sync_fetch_and_add(&allocations, -1) <= 0
    && (allocations = 0, 1); }
void stand_in_unready(int queries) { unready = queries; }
void stand_in_break(int code) { broken = code; }
int stand_in_alive(void) { return __sync_fetch_and_add(&alive, 0); }
int stand_in_launches(void) { return __sync_fetch_and_add(&launches, 0); }
static int made(void) { __sync_fetch_and_add(&alive, 1); return 0; }
static int gone(void *p) { if (!p) return 1; free(p); __sync_fetch_and_add(&alive, -1); return 0; }
static void run(stream *s, long upto) {
    while (s->done < upto) {
        work w = s->works[s->done++ - s->base];
        if (w.on) run(w.on, w.upto);
        else if (w.reached) clock_gettime(CLOCK_MONOTONIC, &w.reached->at);
        else memcpy((void *)w.what.to, (void *)w.what.from, w.what.size); }
    if (s->done == s->begun) s->base = s->begun; }
static int until(stream *s, long upto) {
    pthread_mutex_lock(&lock);
    if (s) run(s, upto);
    else for (s = streams; s; s = s->next) run(s, s->begun);
    pthread_mutex_unlock(&lock); return 0; }
static int later(stream *s, work w) {
    pthread_mutex_lock(&lock);
    if (s->begun - s->base == s->room)
        s->works = realloc(s->works, (s->room = 2 * s->room + 8) * sizeof(work));
    s->works[s->begun++ - s->base] = w;
    pthread_mutex_unlock(&lock); return 0; }
int cuInit(unsigned flags) { return flags; }
int cuDeviceGet(int *d, int i) { if (i > 1) return 101; *d = i + 40; return 0; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = &context; return 0; }
int cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
int cuCtxSetCurrent(void *c) { current = c; return 0; }
int cuCtxSynchronize(void) { if (broken) return broken; return current ? until(0, 0) : 201; }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = 3ul << 20; *total = 24ul << 30; return current ? broken : 201; }
int cuCtxGetStreamPriorityRange(int *low, int *high) { *low = 0; *high = -5; return 0; }
int cuMemAlloc_v2(ptr *p, size_t n) {
    if (!current) return 201;
    if (n > 1ul << 34 || full()) return 2;
    *p = (ptr)aligned_alloc(256, (n + 255) / 256 * 256); return made(); }
int cuMemFree_v2(ptr p) {
    if (broken) return broken;
    until(0, 0); return current ? gone((void *)p) : 201; }
int cuMemHostAlloc(void **p, size_t n, unsigned flags) {
    if (!current) return 201;
    if (n > 1ul << 34 || full()) return 2;
    *p = malloc(n); return made(); }
int cuMemFreeHost(void *p) { until(0, 0); return current ? gone(p) : 201; }
static int begin(stream *s, ptr to, ptr from, size_t size) {
    if (!current || !s) return 201;
    if (!s->capture) return later(s, (work){.what = {to, from, size}});
    if (s->capture->count == 64) return 2;
    s->capture->copies[s->capture->count++] = (copy){to, from, size}; return 0; }
int cuMemcpyHtoDAsync_v2(ptr d, void *h, size_t n, stream *s) { return begin(s, d, (ptr)h, n); }
int cuMemcpyDtoHAsync_v2(void *h, ptr d, size_t n, stream *s) { return begin(s, (ptr)h, d, n); }
int cuMemcpyDtoDAsync_v2(ptr to, ptr from, size_t n, stream *s) { return begin(s, to, from, n); }
int cuStreamCreateWithPriority(stream **s, unsigned flags, int priority) {
    if (flags != 1) return 1;
    *s = calloc(1, sizeof(stream)); (*s)->priority = priority;
    pthread_mutex_lock(&lock); (*s)->next = streams; streams = *s; pthread_mutex_unlock(&lock);
    return made(); }
int cuStreamSynchronize(stream *s) {
    if (broken) return broken;
    return s->capture ? 900 : until(s, s->begun); }
int cuStreamDestroy_v2(stream *s) {
    until(0, 0);
    pthread_mutex_lock(&lock);
    for (stream **at = &streams; *at; at = &(*at)->next) if (*at == s) { *at = s->next; break; }
    pthread_mutex_unlock(&lock);
    free(s->works); return gone(s); }
int cuStreamBeginCapture_v2(stream *s, int mode) {
    if (s->capture) return 900;
    s->capture = calloc(1, sizeof(graph)); return made(); }
int cuStreamEndCapture(stream *s, graph **g) {
    if (!s->capture) return 901;
    *g = s->capture; s->capture = 0; return 0; }
int cuEventCreate(event **e, unsigned flags) {
    *e = calloc(1, sizeof(event)); (*e)->timed = !(flags & 2); return made(); }
int cuEventRecord(event *e, stream *s) {
    if (!e || s->capture) return e ? 900 : 400;
    e->recorded = 1; e->asked = 0; e->on = s;
    later(s, (work){.reached = e}); e->upto = s->begun; return 0; }
int cuEventElapsedTime(float *ms, event *from, event *to) {
    if (!from->timed || !to->timed || !from->recorded || !to->recorded) return 400;
    *ms = (to->at.tv_sec - from->at.tv_sec) * 1e3 + (to->at.tv_nsec - from->at.tv_nsec) / 1e6;
    return 0; }
int cuStreamWaitEvent(stream *s, event *e, unsigned flags) {
    if (!s || !e || s->capture) return e ? 900 : 400;
    if (e->on) later(s, (work){.on = e->on, .upto = e->upto});
    return flags; }
int cuEventSynchronize(event *e) {
    if (broken) return broken;
    return !e ? 400 : e->on ? until(e->on, e->upto) : 0; }
int cuEventQuery(event *e) {
    if (broken) return broken;
    if (!e) return 400;
    if (!e->on) return 0;
    if (e->asked++ < unready) return 600;
    return until(e->on, e->upto); }
int cuEventDestroy_v2(event *e) { until(0, 0); return gone(e); }
int cuGraphInstantiateWithFlags(graph **x, graph *g, unsigned long long flags) {
    *x = malloc(sizeof(graph)); **x = *g; return made(); }
int cuGraphLaunch(graph *x, stream *s) {
    for (int i = 0; i < x->count; i++) {
        int code = begin(s, x->copies[i].to, x->copies[i].from, x->copies[i].size);
        if (code) return code; }
    __sync_fetch_and_add(&launches, 1); return 0; }
int cuGraphExecDestroy(graph *x) { return gone(x); }
int cuGraphDestroy(graph *g) { return gone(g); }
int cuGetErrorString(int code, const char **s) {
    *s = code == 2 ? "out of memory" : code == 101 ? "invalid device ordinal"
       : code == 201 ? "invalid device context" : code == 900 ? "stream is capturing"
       : "unknown error";
    return 0; }
"""


class StandIn:
    """A built stand-in: `path` to load it from, and what it counts."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        assert compiler is not None, "the tests of the CUDA layer need a C compiler"
        source, library = folder / "driver.c", folder / "libcuda-stand-in.so"
        source.write_text(_SOURCE)
        command = [compiler, "-O1", "-shared", "-fPIC", "-pthread", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        self.path = str(library)
        self._library = ctypes.CDLL(self.path)

    @property
    def alive(self) -> int:
        """Allocations, streams, events and graphs that were not freed."""
        return int(self._library.stand_in_alive())

    def fault(self, code: int) -> None:
        """From now on a GPU whose kernel has faulted; 0: one that is whole again."""
        self._library.stand_in_break(code)

    def full_after(self, allocations: int) -> None:
        """Memory for so many allocations is left, of the GPU's and pinned; -1: for any number."""
        self._library.stand_in_full_after(allocations)

    def answers_late(self, queries: int) -> None:
        """From now on so many queries of an event find that it is not passed yet."""
        self._library.stand_in_unready(queries)

    @property
    def launches(self) -> int:
        """Graphs that were run."""
        return int(self._library.stand_in_launches())
