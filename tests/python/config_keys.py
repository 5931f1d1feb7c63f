"""config_keys.py: what transformers' configs hold."""
import json

import transformers

print(json.dumps({"version": transformers.__version__,
                  "every_model": sorted(transformers.PretrainedConfig().to_dict()),
                  "llama": transformers.LlamaConfig().to_dict(),
                  "deepseek": hasattr(transformers, "DeepseekV3Config")}))
