/* Stands in front of OpenMP's count of cores, for programs run with this in LD_PRELOAD: the library never
 * uses more threads than there are cores, and tests are to compare more than this machine may have. */
int omp_get_num_procs(void);

int omp_get_num_procs(void)
{
    return 8;
}
