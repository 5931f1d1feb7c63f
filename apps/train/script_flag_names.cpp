#include "apps/train/script_flag_names.h"

namespace lookback {

const FlagWords& idle_flags() {
  const std::string nothing = "nothing to set here";
  static const FlagWords flags = {
      {"do-train", nothing},
      {"do-eval", "validation is part of every run"},
      {"run-name", nothing},
      {"logging-dir", "TensorBoard's events lie in --output-dir"},
      {"logging-strategy", "--logging-steps decides"},
      {"logging-first-step", nothing},
      {"per-device-eval-batch-size", "an evaluation has the batches of training"},
      {"eval-accumulation-steps", nothing},
      {"dataloader-num-workers", "nothing waits for data here"},
      {"dataloader-pin-memory", nothing},
      {"dataloader-drop-last", nothing},
      {"dataloader-prefetch-factor", nothing},
      {"preprocessing-num-workers", nothing},
      {"overwrite-cache", "there is no cache of data"},
      {"cache-dir", "there is no cache of data"},
      {"use-fast-tokenizer", nothing},
      {"low-cpu-mem-usage", nothing},
      {"torch-compile", nothing},
      {"trust-remote-code", "no code of others runs here"},
      {"token", nothing},
      {"hub-model-id", nothing},
      {"hub-token", nothing},
      {"model-revision", nothing},
      {"remove-unused-columns", nothing},
      {"disable-tqdm", "--quiet is without progress"},
      {"ddp-find-unused-parameters", nothing},
      {"ddp-timeout", nothing},
      {"local-rank", nothing},
      {"save-safetensors", "weights are always safetensors"},
      {"include-num-input-tokens-seen", nothing},
      {"attn-implementation", nothing},
      {"log-level", nothing},
      {"gradient-checkpointing-kwargs", nothing},
      {"keep-linebreaks", "line breaks are kept"},
      {"group-by-length", nothing},
      {"hub-strategy", nothing},
      {"hub-private-repo", nothing},
      {"hub-always-push", nothing},
      {"logging-nan-inf-filter", "a loss that is no number ends the run"},
      {"log-level-replica", nothing},
      {"log-on-each-node", nothing},
      {"data-seed", "--seed is of the data too"},
      {"dataloader-persistent-workers", nothing},
      {"skip-memory-metrics", nothing},
      {"eval-on-start", nothing},
      {"eval-delay", nothing},
      {"eval-do-concat-batches", nothing},
      {"batch-eval-metrics", nothing},
      {"include-for-metrics", nothing},
      {"prediction-loss-only", nothing},
      {"save-only-model", "a checkpoint is whole"},
      {"save-on-each-node", nothing},
      {"restore-callback-states-from-checkpoint", nothing},
      {"torch-compile-backend", nothing},
      {"torch-compile-mode", nothing},
      {"torch-empty-cache-steps", nothing},
      {"use-liger-kernel", nothing},
      {"bf16-full-eval", "an evaluation has the number format of training"},
      {"half-precision-backend", nothing},
      {"ddp-backend", nothing},
      {"ddp-bucket-cap-mb", nothing},
      {"ddp-broadcast-buffers", nothing},
      {"accelerator-config", nothing},
      {"average-tokens-across-devices", nothing},
      {"full-determinism", "a run is the same twice in any case"},
      {"label-names", nothing},
      {"length-column-name", nothing},
  };
  return flags;
}

const FlagWords& other_names() {
  static const FlagWords names = {{"config-name", "config"},
                                  {"train-file", "data"},
                                  {"validation-file", "validation-data"},
                                  {"per-device-train-batch-size", "batch-size"},
                                  {"per-gpu-train-batch-size", "batch-size"},
                                  {"evaluation-strategy", "eval-strategy"}};
  return names;
}

const FlagWords& refused_flags() {
  static const FlagWords flags = {
      {"dataset-name",
       "no data are fetched here: write its text to a file and name that with "
       "--train_file"},
      {"config-overrides", "write the values into a config.json and name that with --config_name"},
      {"deepspeed", "one process trains here"},
      {"fsdp", "one process trains here"},
      {"neftune-noise-alpha", "noise on embeddings is not here: leave it out"},
      {"optim-args", "AdamW has --adam_beta1, --adam_beta2 and --adam_epsilon"},
      {"optim-target-modules", "the optimizer is AdamW, for all parameters"},
      {"max-train-samples", "cut the file; --max_steps says how long to train"},
      {"max-eval-samples", "--eval_batches says how much an evaluation reads"}};
  return flags;
}

const FlagWords& switches_that_are_off() {
  static const FlagWords flags = {
      {"fp16", "float16 is not trained in: --bf16, or neither"},
      {"fp16-full-eval", "float16 is not evaluated in"},
      {"streaming", "files are mapped, and nothing is fetched: leave it out"},
      {"push-to-hub", "nothing is sent anywhere: upload --output_dir yourself"},
      {"auto-find-batch-size", "choose --per_device_train_batch_size"},
      {"adafactor", "the optimizer is AdamW"}};
  return flags;
}

}  // namespace lookback
