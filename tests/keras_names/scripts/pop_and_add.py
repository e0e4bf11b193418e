"""The last layer makes place for another."""

from keras import Input, Sequential
from keras.layers import Dense, Flatten

model = Sequential()
model.add(Input((28, 28)))
model.add(Flatten())
model.add(Dense(8, activation="relu"))
model.add(Dense(3))
model.pop()
model.add(Dense(10, activation="softmax"))
model.summary()
print(len(model.layers), model.count_params())
