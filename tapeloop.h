/* All of Tapeloop. Folder by folder, from the bottom up: tensor/ n-d arrays, autograd/ the tape and its ops,
 * optim/ update rules, data/ data sets and files, nn/ layers and the training loop. */
#ifndef TAPELOOP_H
#define TAPELOOP_H

#include "tensor/arena.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/threads.h"

#include "autograd/gradcheck.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "autograd/parameter.h"
#include "autograd/shards.h"
#include "autograd/tape.h"

#endif
