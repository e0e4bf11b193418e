"""Clothes: logits in the training, probabilities of a second model afterwards."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

matplotlib.use("Agg")
class_names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat"]
class_names += ["Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
(train_images, train_labels), (test_images, test_labels) = tf.keras.datasets.mnist.load_data()
print(train_images.shape, len(train_labels), test_images.shape)
train_images = train_images / 255.0
test_images = test_images / 255.0

model = tf.keras.Sequential(
    [
        tf.keras.layers.Flatten(input_shape=(28, 28)),
        tf.keras.layers.Dense(28, activation="relu"),
        tf.keras.layers.Dense(10),
    ]
)
model.compile(
    optimizer="adam",
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(train_images, train_labels, epochs=4, validation_split=0.25)
test_loss, test_acc = model.evaluate(test_images, test_labels, verbose=2)

probability_model = tf.keras.Sequential([model, tf.keras.layers.Softmax()])
predictions = probability_model.predict(test_images)
print(predictions.shape, np.allclose(predictions.sum(axis=1), 1, atol=1e-5))
img = np.expand_dims(test_images[1], 0)
single = probability_model.predict(img)
name = class_names[np.argmax(single[0])]

loss, val_loss = history.history["loss"], history.history["val_loss"]
epochs = range(1, len(loss) + 1)
fig = plt.figure(figsize=(8, 4))
plt.subplot(1, 2, 1)
plt.plot(epochs, loss, "bo", label="training")
plt.plot(epochs, val_loss, "b", label="validation")
plt.legend()
plt.subplot(1, 2, 2)
plt.bar(range(10), single[0])
plt.xlabel(f"{name} {100 * np.max(single):2.0f}%")
plt.savefig("curves.png")
plt.close(fig)
print(model(train_images[:1]).numpy().shape, tf.nn.softmax(model(img)).numpy().shape)
