"""The text of a notebook that makes a run's networks again, by hand and in PyTorch.

Cells begin with `# %%`, as editors have it in scripts; a run's settings replace each `@NAME@`.
"""

WALKTHROUGH = r'''# %% [markdown]
# # @HEADING@
#
# @SUBHEADING@
#
# An MLP by hand in NumPy, and the same in PyTorch: data, forward and backward pass,
# training, results. The folder of the run gives its settings and its own results;
# everything else is computed here. Written by `mlpwatch export`.

# %%
@IMPORTS@

RUN = Path(@RUN@)
EPOCHS = @EPOCHS@  # of the run's @PLANNED@
config = read_manifest(RUN).config

# %% [markdown]
# ## Data
#
# The split, the first weights and the order of the batches follow from the run's seed,
# so these are the steps of the run, on the same numbers.

# %%
data = dataset_for(config)
x_train, y_train = data.train_images.astype(config.dtype), data.train_labels
x_val, y_val = data.validation_images.astype(config.dtype), data.validation_labels
x_test, y_test = data.test_images.astype(config.dtype), data.test_labels
SIZES = (data.features, *config.hidden, data.classes)
for name, x in (("training", x_train), ("validation", x_val), ("test", x_test)):
    print(f"{name:<11}{x.shape}, from {x.min():g} to {x.max():g}")

# %%
@SHOW_DATA@
plt.show()

# %% [markdown]
# ## Forward
#
# A layer computes $Z_k = A_k W_k^T + b_k$ and, but for the last, $A_{k+1} = f(Z_k)$.
# Samples are rows: $A_k$ is (batch, fan in), $W_k$ is (fan out, fan in). Here $f$ is
# @ACTIVATION_NAME@, and @OUTPUT_NAME@ makes outputs of the last $Z$.


# %%
def activation(z):
    """Return f(z) of each number of z (batch, width)."""
    @ACTIVATION@


def derivative(z):
    """Return f'(z) of each number of z (batch, width)."""
    @DERIVATIVE@


def outputs(z):
    """Return what the network says, of logits z (batch, classes)."""
    @OUTPUT@


def first_parameters():
    """Return weights and biases as both models of the run began with them."""
    start = initial_weights(SIZES, config)
    layers = range(len(SIZES) - 1)
    weights = [start[f"layers.{k}.weight"] for k in layers]
    return weights, [start[f"layers.{k}.bias"] for k in layers]


def forward(weights, biases, x@MASKS_NONE@):
    """Return each layer's input and its sum z; the last z are the logits."""
    inputs, sums, a = [], [], x
    for @LAYERS@:
@MASK_INPUT@        z = a @ w.T + b  # (batch, fan in) (fan in, fan out)
        inputs.append(a)
        sums.append(z)
        a = activation(z)
    return inputs, sums


# %% [markdown]
# ## Backward
#
# With $\delta_k = \partial L / \partial Z_k$ the chain rule gives
# $\partial L / \partial W_k = \delta_k^T A_k$,
# $\partial L / \partial b_k = \sum_b \delta_k$, and one layer further back
# $\delta_{k-1} = (\delta_k W_k) \odot f'(Z_{k-1})$.
# The loss is @LOSS_NAME@: summed over the classes where it has a term for each, and the
# mean over the batch.


# %%
def loss_and_delta(z, labels):
    """Return the loss of a batch, and its derivative by the logits z."""
    y = np.eye(data.classes, dtype=z.dtype)[labels]  # 1 at the class
    a = outputs(z)
@LOSS@


def backward(weights, inputs, sums, delta@MASKS_NONE@):
    """Return the gradients of all weights and of all biases."""
    of_weights, of_biases = [], []
    for k in reversed(range(len(weights))):
        of_weights.insert(0, delta.T @ inputs[k])  # (fan out, batch) (batch, fan in)
        of_biases.insert(0, delta.sum(axis=0))
        if k > 0:
            delta = delta @ weights[k]
@MASK_DELTA@            delta = delta * derivative(sums[k - 1])
    return of_weights, of_biases


# %% [markdown]
# A derivative by hand is held against the definition,
# $\partial L / \partial w \approx (L(w + h) - L(w - h)) / 2h$, in float64.


# %%
def largest_error(step=1e-6, entries=20):
    """Return the largest error of some entries of each gradient, relative to its largest."""
    random = np.random.default_rng(0)
    weights, biases = first_parameters()
    parameters = [p + random.normal(0, 0.01, p.shape) for p in (*weights, *biases)]
    count, x, labels = len(weights), x_train[:20].astype(float), y_train[:20]

    def parts():
        return forward(parameters[:count], parameters[count:], x)

    def loss():
        return loss_and_delta(parts()[1][-1], labels)[0]

    inputs, sums = parts()
    delta = loss_and_delta(sums[-1], labels)[1]
    of_weights, of_biases = backward(parameters[:count], inputs, sums, delta)
    errors = []
    for p, g in zip(parameters, (*of_weights, *of_biases), strict=True):
        for place in random.integers(p.size, size=entries):
            before = p.flat[place]
            p.flat[place] = before + step
            above = loss()
            p.flat[place] = before - step
            below = loss()
            p.flat[place] = before
            numeric = (above - below) / (2 * step)
            errors.append(abs(numeric - g.flat[place]) / (abs(g).max() + 1e-12))
    return max(errors)


print(f"largest error of a gradient: {largest_error():.1e}")

# %% [markdown]
# ## Training
#
# The optimizer is @OPTIMIZER@ with a learning rate of @RATE@, a batch has @BATCH@
# samples, and the schedule is @SCHEDULE@.@DROPPED@
@GAP@
# %%
@LEARNING_RATE@def batches(epoch):
    """Yield samples and labels of each batch, in the order of the run."""
    order = batch_order(config.seed, epoch, len(x_train))
    for start in range(0, len(order), config.batch_size):
        rows = order[start : start + config.batch_size]
        yield x_train[rows], y_train[rows]


def update(parameters, gradients, rate@UPDATE_TAKES@):
    """Change the parameters in place, against their gradients: @OPTIMIZER@."""
    for theta, g@REMEMBERED@ in zip(parameters, gradients@MEMORY@, strict=True):
@DECAY@        @UPDATE@


@DROPOUT@def train_by_hand():
    """Return the parameters after training, and per epoch loss and accuracy."""
    weights, biases = first_parameters()
    parameters, step, history = [*weights, *biases], 0, []
@MAKE_MEMORY@    for epoch in range(EPOCHS):
        total = 0.0
        for x, labels in batches(epoch):
@DRAW@            inputs, sums = forward(weights, biases, x@MASKS@)
            loss, delta = loss_and_delta(sums[-1], labels)
            gradients = backward(weights, inputs, sums, delta@MASKS@)
            rate = @RATE_NOW@
            step += 1
            update(parameters, [*gradients[0], *gradients[1]], rate@UPDATE_TAKES@)
            total += float(loss) * len(x)
        right = predict_by_hand(weights, biases, x_val) == y_val
        loss, share = total / len(x_train), right.mean()
        history.append((loss, share))
        print(f"NumPy, epoch {epoch + 1}: loss {loss:.6f}, {share:.2%} right")
    return (weights, biases), history


def predict_by_hand(weights, biases, x):
    """Return the most probable class of each sample (samples,)."""
    return forward(weights, biases, x)[1][-1].argmax(axis=1)


by_hand, history_by_hand = train_by_hand()

# %% [markdown]
# ## The twin in PyTorch
#
# The same first weights and the same batches; autograd makes the backward pass.
# @MEAN@


# %%
def build_model():
    """Return the network as nn.Sequential, with the first weights of the run."""
    layers = []
    for k in range(len(SIZES) - 1):
@TORCH_DROPOUT@        layers.append(nn.Linear(SIZES[k], SIZES[k + 1]))
        layers.append(@TORCH_ACTIVATION@)
    model = nn.Sequential(*layers[:-1]).to(getattr(torch, config.dtype))
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, w, b in zip(linear, *first_parameters(), strict=True):
            layer.weight.copy_(torch.from_numpy(w))
            layer.bias.copy_(torch.from_numpy(b))
    return model


def torch_loss(z, labels):
    """Return the loss of a batch of logits z (batch, classes)."""
@TORCH_LOSS@


def train_with_torch():
    """Return the model after training, and per epoch loss and accuracy."""
    model, step, history = build_model(), 0, []
@TORCH_OPTIMIZER@
    for epoch in range(EPOCHS):
        total = 0.0
        model.train()
        for x, labels in batches(epoch):
            for group in optimizer.param_groups:
                group["lr"] = @RATE_NOW@
            step += 1
            optimizer.zero_grad()
            loss = torch_loss(model(torch.from_numpy(x)), torch.from_numpy(labels))
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        right = predict_with_torch(model, x_val) == y_val
        loss, share = total / len(x_train), right.mean()
        history.append((loss, share))
        print(f"PyTorch, epoch {epoch + 1}: loss {loss:.6f}, {share:.2%} right")
    return model, history


@torch.no_grad()
def predict_with_torch(model, x):
    """Return the most probable class of each sample (samples,)."""
    model.eval()
    return model(torch.from_numpy(x)).argmax(dim=1).numpy()


model, history_of_torch = train_with_torch()

# %% [markdown]
# ## Results
#
# Lines: this notebook. Circles: the run, from its `metrics.jsonl`.


# %%
def recorded(engine, field):
    """Return epochs and values of the run."""
    lines = (RUN / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    own = [one for one in records if one["engine"] == engine]
    return [one["epoch"] for one in own], [one[field] for one in own]


MODELS = {
    "NumPy": ("numpy", history_by_hand, "#C25E00", "-"),
    "PyTorch": ("torch", history_of_torch, "#0958B3", "--"),
}
FIELDS = (("training loss", "train_loss"), ("validation accuracy", "val_accuracy"))
figure, grid = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for k, (axes, (label, field)) in enumerate(zip(grid, FIELDS, strict=True)):
    for name, (engine, history, colour, line) in MODELS.items():
        values = [one[k] for one in history]
        axes.plot(range(1, EPOCHS + 1), values, line, color=colour, label=name)
        axes.plot(*recorded(engine, field), "o", color=colour, fillstyle="none")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.legend()
plt.show()

# %%
for name, (engine, history, _colour, _line) in MODELS.items():
    there = dict(zip(*recorded(engine, "train_loss"), strict=True))
    gaps = [
        abs(loss - there[epoch])
        for epoch, (loss, _) in enumerate(history, 1)
        if there.get(epoch) is not None
    ]
    if gaps:
        print(f"{name}: largest difference to the run's loss {max(gaps):.1e}")

# %%
predictions = {
    "NumPy": predict_by_hand(*by_hand, x_test),
    "PyTorch": predict_with_torch(model, x_test),
}
figure, grid = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for axes, (name, predicted) in zip(grid, predictions.items(), strict=True):
    matrix = np.zeros((data.classes, data.classes), int)
    np.add.at(matrix, (y_test, predicted), 1)
    axes.imshow(np.sqrt(matrix / matrix.sum(axis=1, keepdims=True)), cmap="Blues")
    axes.set_xticks(range(data.classes), data.class_names)
    axes.set_yticks(range(data.classes), data.class_names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{name}, test: {(predicted == y_test).mean():.2%} right")
plt.show()
@SHOW_MISTAKES@
# %% [markdown]
# ## Conclusion
#
# What the numbers of the run say, of all its epochs:
#
@CONCLUSION@

# %%
for name, predicted in predictions.items():
    share = (predicted == y_test).mean()
    print(f"{name}: {share:.2%} of the test samples right after {EPOCHS} epochs here")
'''
