"""Addresses of the catalogue."""

from django.urls import path

from apps.products.views import ProductDetailView, ProductListView

app_name = "products"

urlpatterns = [
    path("", ProductListView.as_view(), name="product-list"),
    path("category/<slug:slug>/", ProductListView.as_view(), name="category-detail"),
    path("<slug:slug>/", ProductDetailView.as_view(), name="product-detail"),
]
