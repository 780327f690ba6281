/* All of Tapeloop. Folder by folder, from the bottom up: tensor/ n-d arrays, autograd/ the tape and its ops,
 * optim/ update rules, data/ data sets and files, nn/ layers and the training loop. */
#ifndef TAPELOOP_H
#define TAPELOOP_H

#include "tensor/arena.h"
#include "tensor/error.h"
#include "tensor/isa.h"
#include "tensor/options.h"
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
#include "autograd/trace.h"

#include "optim/optimizer.h"
#include "optim/schedule.h"

#include "data/alphabet.h"
#include "data/csv.h"
#include "data/dataset.h"
#include "data/generated.h"
#include "data/idx.h"
#include "data/imdb.h"
#include "data/locate.h"
#include "data/safetensors.h"
#include "data/sequences.h"
#include "data/text.h"
#include "data/text_file.h"
#include "data/vocabulary.h"
#include "data/windows.h"

#include "nn/callback.h"
#include "nn/checkpoint.h"
#include "nn/flow.h"
#include "nn/gradcheck.h"
#include "nn/gradients.h"
#include "nn/initializer.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/model.h"
#include "nn/module.h"
#include "nn/plot.h"
#include "nn/rnn.h"

#endif
