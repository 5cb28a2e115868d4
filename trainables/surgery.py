import torch
from torch import nn
from trainables.blocks import drop_blocks
from trainables.channels import find_groups
TOLERANCE = 1e-4


def _cut(opt, module, key, dim, keep):
    old = getattr(module, key, None)
    if old is None: return
    new = old.detach().index_select(dim, keep).clone()
    if isinstance(old, nn.Parameter):
        new = nn.Parameter(new)
        for g in opt.param_groups:
            for i, p in enumerate(g["params"]):
                if p is old: g["params"][i] = new
        if old in opt.state:
            opt.state[new] = {k: v.index_select(dim, keep).clone() if torch.is_tensor(v) and v.shape == old.shape else v for k, v in opt.state.pop(old).items()}
    setattr(module, key, new)


def delete(trial, units, dropped):
    model, opt = trial.model, trial.optimizer
    mods = dict(model.named_modules())
    for g in find_groups(model, trial.dataset.input_shape):
        if g.name in units and not units[g.name].all() and units[g.name].any():
            keep = units[g.name]
            for m in g.members:
                ch = torch.tensor([c for c, r in sorted(zip(m.channels, m.roots)) if keep[r]])
                mod = mods[m.module]
                if m.side == "outputs":
                    for key in ("weight", "bias", "running_mean", "running_var"): _cut(opt, mod, key, 0, ch)
                    n = len(ch)
                    for a in ("out_channels", "num_features", "out_features"):
                        if hasattr(mod, a): setattr(mod, a, n)
                else:
                    _cut(opt, mod, "weight", 1, ch)
                    for a in ("in_channels", "in_features"):
                        if hasattr(mod, a): setattr(mod, a, len(ch))
    drop_blocks(model, dropped)
    trial.dropped = (*trial.dropped, *dropped)
    alive = set(map(id, model.parameters()))
    for g in opt.param_groups:
        for p in g["params"]:
            if id(p) not in alive: opt.state.pop(p, None)
        g["params"] = [p for p in g["params"] if id(p) in alive]
    trial.replace_model(model)
