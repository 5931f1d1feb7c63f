// The yardstick of `bench collectives`: MPI's own sum of float32 gradients, of which each rank gets
// its part. mpicc.openmpi -O2 reduce_scatter_block.c; mpirun -n 2 ./a.out ELEMENTS TIMES prints the
// median seconds of the slowest rank, the first time left out.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int count, char** arguments) {
  MPI_Init(&count, &arguments);
  int size = 0, rank = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int part = (int)(atol(arguments[1]) / size), times = atoi(arguments[2]);
  float* all = malloc(sizeof(float) * (size_t)part * (size_t)size);
  float* sum = malloc(sizeof(float) * (size_t)part);
  double* seconds = malloc(sizeof(double) * (size_t)times);
  for (size_t i = 0; i < (size_t)part * (size_t)size; ++i) all[i] = (float)(i % 1000);
  for (int i = -1; i < times; ++i) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    MPI_Reduce_scatter_block(all, sum, part, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    double own = MPI_Wtime() - start, slowest = 0;
    MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    if (i >= 0) seconds[i] = slowest;
  }
  qsort(seconds, (size_t)times, sizeof(double), ascending);
  if (rank == 0) printf("{\"seconds\": %.6f}\n", seconds[times / 2]);
  MPI_Finalize();
  return 0;
}
