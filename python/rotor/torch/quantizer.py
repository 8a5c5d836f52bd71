# SPDX-License-Identifier: Apache-2.0
"""transformers loads BitNet models onto the kernels: from_pretrained(...,
quantization_config=RotorConfig()).

What a checkpoint holds, and so how it is read, is said by the quantization_config of its own
config.json. RotorConfig only says where it is to run; save_pretrained() writes what transformers'
own classes read.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.integrations.bitnet import replace_with_bitnet_linear
from transformers.quantizers.auto import (
    AutoHfQuantizer,
    register_quantization_config,
    register_quantizer,
)
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import BitNetQuantConfig, QuantizationConfigMixin

from rotor.torch.bit_linear import BitLinear
from rotor.torch.ternary_linear import TernaryLinear

METHOD = "rotor"
_FIELDS = (
    "modules_to_not_convert",
    "linear_class",
    "quantization_mode",
    "use_rms_norm",
    "rms_norm_eps",
)


@register_quantization_config(METHOD)
class RotorConfig(BitNetQuantConfig):
    """Runs the ternary layers of a model on Rotor's kernels.

    Without arguments everything is as the checkpoint's own quantization_config says. What is given
    replaces that. A checkpoint of float weights without one needs quantization_mode="online".
    """

    def __init__(self, **given: Any) -> None:
        self.given = {name: value for name, value in given.items() if name in _FIELDS}
        unknown = set(given) - set(_FIELDS) - {"quant_method"}
        if unknown:
            raise TypeError(f"RotorConfig: no such option: {', '.join(sorted(unknown))}")
        if self.given.get("quantization_mode") == "online":
            self.given.setdefault("linear_class", "autobitlinear")
        super().__init__(**self.given)
        self.quant_method = METHOD

    def of_checkpoint(self, own: dict[str, Any]) -> RotorConfig:
        """This configuration for a checkpoint whose config.json has `own`."""
        method = own.get("quant_method")
        if method not in ("bitnet", METHOD):
            raise ValueError(
                f"RotorConfig: expected a checkpoint with quant_method bitnet, got {method!r}"
            )
        known = {name: value for name, value in own.items() if name in _FIELDS}
        return RotorConfig(**(known | self.given))

    def to_dict(self) -> dict[str, Any]:
        """As transformers' own classes read it: files say what they hold, not what ran them."""
        return {"quant_method": "bitnet"} | {name: getattr(self, name) for name in _FIELDS}


_merge = AutoHfQuantizer.merge_quantization_configs


def _merge_with_rotor(
    quantization_config: dict[str, Any] | QuantizationConfigMixin,
    quantization_config_from_args: QuantizationConfigMixin | None,
) -> QuantizationConfigMixin:
    """transformers refuses a config of another class than the checkpoint's; RotorConfig is one."""
    if not isinstance(quantization_config_from_args, RotorConfig):
        return _merge(quantization_config, quantization_config_from_args)
    own = quantization_config
    own = own if isinstance(own, dict) else own.to_dict()
    return quantization_config_from_args.of_checkpoint(own)


AutoHfQuantizer.merge_quantization_configs = staticmethod(_merge_with_rotor)


@register_quantizer(METHOD)
class RotorHfQuantizer(HfQuantizer):
    """Loads into transformers' own BitNet modules, then exchanges them for Rotor's, one by one."""

    quantization_config: RotorConfig

    def __init__(self, quantization_config: RotorConfig, **kwargs: Any) -> None:
        super().__init__(quantization_config, **kwargs)
        if not self.pre_quantized and quantization_config.quantization_mode != "online":
            raise ValueError(
                "RotorConfig: the checkpoint has no quantization_config. Float weights that were "
                'trained to be ternary load with RotorConfig(quantization_mode="online").'
            )

    def _process_model_before_weight_loading(self, model: nn.Module, **kwargs: Any) -> None:
        config = self.quantization_config
        names = self.get_modules_to_not_convert(
            model, config.modules_to_not_convert, model._keep_in_fp32_modules
        )
        online = config.quantization_mode == "online"
        loading = BitNetQuantConfig(
            linear_class="autobitlinear" if online else "bitlinear",  # which keeps bytes packed
            quantization_mode=config.quantization_mode,
            use_rms_norm=config.use_rms_norm,
            rms_norm_eps=config.rms_norm_eps,
        )
        replace_with_bitnet_linear(model, modules_to_not_convert=names, quantization_config=loading)

    def _process_model_after_weight_loading(self, model: nn.Module, **kwargs: Any) -> nn.Module:
        from transformers.integrations import bitnet

        config = self.quantization_config
        multiplied = config.linear_class == "autobitlinear"
        for name, module in list(model.named_modules()):
            if isinstance(module, bitnet.AutoBitLinear):
                made: nn.Module = BitLinear.from_linear(module)
            elif isinstance(module, bitnet.BitLinear):
                made = self._packed(name, module, multiplied)
            else:
                continue
            model.set_submodule(name, made.train(module.training))
        return model

    @staticmethod
    def _packed(name: str, module: nn.Module, multiplied: bool) -> TernaryLinear:
        bias = module.bias
        if bias is not None and multiplied:  # AutoBitLinear scales the bias, too
            bias = bias * module.weight_scale
        try:
            return TernaryLinear.from_packed(
                module.weight,
                module.weight_scale,
                bias,
                out_features=module.out_features,
                scale_rule="multiply" if multiplied else "divide",
                rms_norm=module.rms_norm,
            )
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}.{error}") from None

    def is_serializable(self) -> bool:
        return True

    @property
    def is_trainable(self) -> bool:
        """Adapters train on packed weights, which pass gradients on."""
        return True

    @property
    def is_qat_trainable(self) -> bool:
        return self.quantization_config.quantization_mode == "online"

    @property
    def is_compileable(self) -> bool:
        return True
