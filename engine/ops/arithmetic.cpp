#include "engine/ops/arithmetic.h"

#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"

namespace tessera {
namespace {

using kernels::Arithmetic;

const char* name_of(Arithmetic operation) {
  switch (operation) {
    case Arithmetic::add: return "add";
    case Arithmetic::subtract: return "subtract";
    case Arithmetic::multiply: return "multiply";
    case Arithmetic::divide: return "divide";
  }
  return "?";
}

// The type of sums of elements of `type`: kind P of kernels/backend.h.
DType type_of_sums(DType type) { return type == DType::bf16 ? DType::f32 : type; }

Tensor combine(Arithmetic operation, const Tensor& a, const Tensor& b, const Tensor& like) {
  Tensor y = like.like();
  y.on().run(&Backend::arithmetic, operation, a, b, {y, false});
  return y;
}

// Hands an operand its gradient alpha·dy, dy of the result's shape: summed where the operand was spread.
void give(const GradNodePtr& node, const Shape& operand, double alpha, const Tensor& dy) {
  Device& on = dy.on();
  if (operand.count() == dy.count()) {
    if (alpha == 1) return node->pass(dy);
    on.run(&Backend::scale, alpha, {}, dy, into(node));
  } else if (operand.count() == 1) {
    on.run(&Backend::sum, alpha, dy, into(node));
  } else if (alpha == 1) {
    on.run(&Backend::column_sums, dy, into(node));
  } else {
    const Tensor sums = Tensor::empty(dy.device(), operand, type_of_sums(dy.dtype()));
    on.run(&Backend::column_sums, dy, {sums, false});
    on.run(&Backend::scale, alpha, {}, sums, into(node));
  }
}

Variable arithmetic(Arithmetic operation, Variable a, Variable b) {
  require(a && b, std::string("[") + name_of(operation) + "] an operand is missing");
  const bool a_is_whole = a.value().count() >= b.value().count();
  const Shape shape = a_is_whole ? a.shape() : b.shape();
  const DType type = a_is_whole ? a.value().dtype() : b.value().dtype();
  for (Variable* operand : {&a, &b}) {
    const Shape& own = operand->shape();
    require(own == shape || own.count() == 1 || own == Shape{shape.last()},
            std::string("[") + name_of(operation) + "] operands are " + to_string(a.shape()) + " and " +
                to_string(b.shape()) + ", expected one shape, or beside it a row [" + std::to_string(shape.last()) +
                "] or one element");
    *operand = convert(*operand, own.count() == shape.count() ? type : type_of_sums(type));
  }
  const Tensor& whole = (a_is_whole ? a : b).value();
  const Tensor y = combine(operation, a.value(), b.value(), whole);

  const bool product = operation == Arithmetic::multiply, quotient = operation == Arithmetic::divide;
  return record(
      name_of(operation), y, {a, b},
      [operation, a_value = product && b.node() ? a.value() : Tensor{},
       b_value = quotient || (product && a.node()) ? b.value() : Tensor{}, y_value = quotient && b.node() ? y : Tensor{},
       a_shape = a.shape(), b_shape = b.shape(), da = a.node(), db = b.node()](const Tensor& dy) {
        switch (operation) {
          case Arithmetic::add:
          case Arithmetic::subtract:
            if (da) give(da, a_shape, 1, dy);
            if (db) give(db, b_shape, operation == Arithmetic::add ? 1 : -1, dy);
            break;
          case Arithmetic::multiply:  // da = dy·b, db = dy·a
            if (da) give(da, a_shape, 1, combine(Arithmetic::multiply, dy, b_value, dy));
            if (db) give(db, b_shape, 1, combine(Arithmetic::multiply, dy, a_value, dy));
            break;
          case Arithmetic::divide: {  // da = dy/b, db = −(dy/b)·y
            const Tensor ratio = combine(Arithmetic::divide, dy, b_value, dy);
            if (db) give(db, b_shape, -1, combine(Arithmetic::multiply, ratio, y_value, dy));
            if (da) give(da, a_shape, 1, ratio);
            break;
          }
        }
      });
}

Variable scaled_sum(const char* op, const Variable& x, double alpha) {
  const Tensor y = Tensor::empty(x.value().device(), {1}, type_of_sums(x.value().dtype()));
  y.on().run(&Backend::sum, alpha, x.value(), {y, false});
  return record(op, y, {x},
                [alpha, dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::scale, alpha, {}, dy, into(dx)); });
}

}  // namespace

Variable operator+(const Variable& a, const Variable& b) { return arithmetic(Arithmetic::add, a, b); }
Variable operator-(const Variable& a, const Variable& b) { return arithmetic(Arithmetic::subtract, a, b); }
Variable operator*(const Variable& a, const Variable& b) { return arithmetic(Arithmetic::multiply, a, b); }
Variable operator/(const Variable& a, const Variable& b) { return arithmetic(Arithmetic::divide, a, b); }

Variable operator*(double alpha, const Variable& x) {
  const Tensor y = x.value().like();
  y.on().run(&Backend::scale, alpha, {}, x.value(), {y, false});
  return record("scale", y, {x},
                [alpha, dx = x.node()](const Tensor& dy) { dy.on().run(&Backend::scale, alpha, {}, dy, into(dx)); });
}

Variable sum(const Variable& x) { return scaled_sum("sum", x, 1); }
Variable mean(const Variable& x) { return scaled_sum("mean", x, 1 / static_cast<double>(x.value().count())); }

}  // namespace tessera
