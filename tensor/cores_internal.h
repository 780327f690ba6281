/* How many cores the process may really use: those that its threads may run on, but no more than the time
 * that its control groups give it. A container that was given two of 64 cores mostly sees all 64. */
#ifndef TL_TENSOR_CORES_INTERNAL_H
#define TL_TENSOR_CORES_INTERNAL_H

/* The cores that this process may run on, and of those as many as its control groups give it the time of. At
 * least 1; looked up once in a process. Thread-safe. */
int tl_cores_seen(void);
int tl_cores(void);

/* How many cores' time the control groups of this process give it, its own and all above it, rounded up; 0:
 * as much as there is. Linux, versions 1 and 2; a file that is missing or makes no sense is no limit. `root`
 * is the folder in which proc and sys lie, "" for the machine's own. */
int tl_cores_quota(const char *root);

#endif
